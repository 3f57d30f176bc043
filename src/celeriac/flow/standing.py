"""Where a breaker stands: the one document about it that all workers read, and how one standing follows another.

    closed ── failures in the window ──▶ open ── cooled down ──▶ probing ── it works ──▶ closed
                                          ▲                         │
                                          ├──── it fails ───────────┤
                                          └──── it said nothing ────┘  (cooled down at once: the next call probes)

A standing is replaced only by who read it unchanged, so of many callers that find a breaker cooled down, one probes.
How long it stays open or lets one probe run is up to a second document, its timer, which the store forgets in time:
nobody's clock has to agree with anybody's.
"""

from __future__ import annotations

from typing import Literal
from uuid import uuid4

import msgspec

State = Literal["closed", "open", "probing"]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One standing of a breaker.

    turn: raised with every change; a failure counts only against the turn in which its call began.
    timer: while the store still knows it, an open breaker cools down, and a probe is at work.
    since: epoch seconds of the change, by the clock of who made it; for people, and for how long to wait.
    """

    state: State = "closed"
    turn: int = 0
    timer: str = ""
    since: float = 0.0

    def changed(self, state: State, now: float) -> Standing:
        """Give the standing that follows, with a timer of its own."""
        return Standing(state=state, turn=self.turn + 1, timer=uuid4().hex, since=now)


def encode(standing: Standing) -> bytes:
    """Write a standing as a document."""
    return msgspec.json.encode(standing)


def decode(value: bytes) -> Standing:
    """Read a standing.

    Raises: msgspec.DecodeError for what is none.
    """
    return msgspec.json.decode(value, type=Standing)
