"""Leadership: being the one beat that sends, for as long as that is certain.

The state model is docs/internals/lease.md.
"""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from uuid import uuid4

from celeriac.clock import SYSTEM, Clock
from celeriac.coordination import Coordination, Term
from celeriac.errors import CoordinationUnavailable
from celeriac.events import emit

#: part of the ttl in which a leader no longer trusts its term, though the store would still count it
_MARGIN = 0.2
#: how often a leader renews and a follower asks: parts of the ttl, and the longest pause in seconds
_RENEW_EVERY = (0.25, 5.0)
_ASK_EVERY = (0.1, 1.0)


def lease_of(project: str) -> str:
    """Name the lease that the beats of a project ask for."""
    return f"{project}/beat"


class Leadership:
    """One beat's share in the lease that all beats of a project ask for."""

    def __init__(self, store: Coordination, project: str, ttl: timedelta, clock: Clock = SYSTEM) -> None:
        self._store = store
        self.name = lease_of(project)
        # A new one for each life of a process: what was promised to the last life holds no longer.
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:12]}"
        self._ttl = ttl
        self._ttl_s = ttl.total_seconds()
        self._clock = clock
        self._term: Term | None = None
        self._trusted_until = 0.0
        self._next_step_at = 0.0

    @property
    def wait_s(self) -> float:
        """How long until `keep` has something to do."""
        return max(0.0, self._next_step_at - self._clock.steady())

    def keep(self) -> Term | None:
        """Renew the term or ask for one, when it is time; give the term that may be acted on now."""
        if self.wait_s == 0:
            try:
                self._step()
            except CoordinationUnavailable as error:
                # Whoever cannot ask does not know; the term is trusted until its time is up, and no longer.
                self._pause(_ASK_EVERY)
                emit("schedule", "schedule.store_unavailable", error=error.message)
        return self.trusted()

    def trusted(self) -> Term | None:
        """Give the term if it certainly still holds: by our own clock, counted from before we asked for it."""
        if self._term is not None and self._clock.steady() >= self._trusted_until:
            emit("schedule", "schedule.leader_unsure", term=self._term.number)
            self._term = None
            self._next_step_at = 0.0
        return self._term

    def doubt(self) -> None:
        """Ask the store at the next `keep`: a write under the term was refused."""
        self._next_step_at = 0.0

    def resign(self) -> None:
        """Let another begin at once."""
        term, self._term = self._term, None
        if term is not None:
            self._store.release(term)
            emit("schedule", "schedule.leader_resigned", term=term.number)

    def _step(self) -> None:
        # Count from before the call: a slow answer must not stretch our term.
        asked_at = self._clock.steady()
        if self._term is not None and not self._store.renew(self._term, self._ttl):
            emit("schedule", "schedule.leader_lost", term=self._term.number)
            self._term = None
        elif self._term is None:
            self._term = self._store.acquire(self.name, self.holder, self._ttl)
            if self._term is not None:
                emit("schedule", "schedule.leader_began", term=self._term.number)
        if self._term is not None:
            self._trusted_until = asked_at + self._ttl_s * (1 - _MARGIN)
        self._pause(_ASK_EVERY if self._term is None else _RENEW_EVERY)

    def _pause(self, every: tuple[float, float]) -> None:
        self._next_step_at = self._clock.steady() + min(self._ttl_s * every[0], every[1])
