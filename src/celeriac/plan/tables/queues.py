"""Queues: what each may hold, and how long its messages may wait."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from celeriac.plan.marks import Duration, Range

WhenFull = Literal["block", "reject", "spool"]


class Queue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A named queue on the broker.

    max_wait: the objective; a message that waits longer is late (`celeriac queues` says so).
    max_length: messages the queue may hold, waiting, delayed and being worked on; None: no bound.
    when_full: "block" makes a sender wait for room until the deadline of `[sending]`, "reject" refuses at once, "spool"
        keeps the task on the sender's disk until there is room; none of them loses anything.
    """

    max_wait: Duration | None = None
    max_length: Annotated[int, Range(1, 1_000_000_000)] | None = None
    when_full: WhenFull = "block"
