"""When a message is due: SQS holds back what is sent for 15 minutes at most, and what was received for 12 hours."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from celeriac.transports.payload import due_at

#: how long SQS holds back a message that is sent, seconds
LONGEST_DELAY_S = 900
#: how long it may be hidden from when it was received, seconds; SQS's 12 hours, less what the call takes
LONGEST_HIDING_S = 12 * 3600 - 60
#: what is due within this time waits in the worker, which is exact to the millisecond, seconds
SOON_S = 30.0


def delay_of(headers: Mapping[str, Any]) -> int | None:
    """Say for how many whole seconds SQS is to hold back what is sent now; None for not at all."""
    return min(int(_due_in(headers)), LONGEST_DELAY_S) or None


def hiding_of(headers: Mapping[str, Any]) -> int | None:
    """Say for how many whole seconds a message that was received is to be hidden again; None if it is soon due."""
    due_s = _due_in(headers)
    return min(int(due_s), LONGEST_HIDING_S) if due_s > SOON_S else None


def _due_in(headers: Mapping[str, Any]) -> float:
    now = time.time()
    due = due_at(headers, now)
    return 0.0 if due is None else due - now
