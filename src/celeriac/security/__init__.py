"""Sealed payloads and signed messages: what keeps tasks from those who can reach the broker.

In flow messages that are about to leave (`Guard.close`) and messages that have come (`Guard.open`); out flow the same,
sealed and signed, or opened. What must not be run raises MessageRefused, and becomes a letter as it came. This room
lies below those that send, run, bury and replay tasks, since each of them opens messages.
See docs/design/0011-security.md.
"""

from __future__ import annotations

from celeriac.security.guard import Guard, Received, as_received
from celeriac.security.guarding import guard_of, protect
from celeriac.security.keys import new_key, new_signing_pair

__all__ = [
    "Guard",
    "Received",
    "as_received",
    "guard_of",
    "new_key",
    "new_signing_pair",
    "protect",
]
