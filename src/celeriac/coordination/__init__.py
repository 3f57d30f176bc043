"""Where processes agree: who leads, whose something is, what was counted, whose turn it is, all by one store's clock.

In: small questions from flow and schedule, each answered in one atomic step. Out: terms with fencing numbers, claims,
versioned documents, totals, turns. The same protocol is kept by Redis, Postgres and an embedded SQLite file; when the
store cannot be reached, CoordinationUnavailable says so and nobody may act on what it said before its time is up.
"""

from celeriac.coordination.opening import open_coordination
from celeriac.coordination.protocol import ABSENT, Coordination, Term, Versioned
from celeriac.coordination.turns import Pace

__all__ = ["ABSENT", "Coordination", "Pace", "Term", "Versioned", "open_coordination"]
