"""The headers Celeriac adds to messages, and the ids made from them: what rooms share without knowing each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid5

#: on a letter: why, where and when the task died (a JSON object, see docs/design/0001)
DEATH = "celeriac-death"
#: on a publish: the embedded broker stores at most one message per key; never stored itself
ONCE = "celeriac-once"
#: how a once-key begins that keeps one send from being doubled; what it is on takes room as any new task does
SEND_ONCE = "send:"
#: on a replayed task: how often it has been replayed
GENERATION = "celeriac-replay"
#: on a replayed task: the letter it came from
LETTER = "celeriac-letter"
#: on a task: epoch seconds when it was sent, so that its wait can be told
SENT = "celeriac-sent"
#: on a task that the beat sent: the schedule, and its slot in epoch seconds
SCHEDULE = "celeriac-schedule"
SLOT = "celeriac-slot"
#: on a task that was sent back to wait: how often that has happened
HELD = "celeriac-held"
#: on a sealed task: with which key, and what its body is once it is opened
SEALED = "celeriac-sealed"
#: on a signed task: by whom, and the signature
SIGNED = "celeriac-signed"

_LETTERS = UUID("6f4b2b1e-3a51-5d0c-9a5e-5f0ad1ce7ea1")
#: why a task ended for good: what its letter says
REASONS = (
    "failed",
    "timeout",
    "poison",
    "malformed",
    "unknown-task",
    "rejected",
    "forged",
    "forbidden",
    "unreadable",
)
#: of a message that died for one of these, nothing is proven, not even whose task id it has
UNPROVEN = ("forged", "forbidden", "unreadable")


def generation_of(headers: Mapping[str, Any]) -> int:
    """Count the replays behind a message; anything that is no count is 0."""
    generation = headers.get(GENERATION, 0)
    return generation if isinstance(generation, int) and generation > 0 else 0


def letter_id(task_id: str, generation: int) -> str:
    """Name the letter of one death: the same death captured twice is one letter."""
    return str(uuid5(_LETTERS, f"{task_id}:{generation}"))
