"""A dead letter as the records hold it: the exact message, its death, and what was done about it since."""

from __future__ import annotations

from typing import Any, Literal, get_args

import msgspec

State = Literal["waiting", "replaying", "replayed", "discarded"]
STATES: tuple[State, ...] = get_args(State)


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One dead letter. Times are epoch seconds.

    id: made from the death, see `celeriac.wire.letter_id`.
    state: "waiting" for a decision, "replaying" (now, or broken off in the middle), "replayed", "discarded".
    reason: one of `celeriac.wire.REASONS`.
    queue: the queue the message was read from.
    body: the bytes a worker would decode (that is, decompressed where the headers name a compression).
    task, task_id, root_id, parent_id, group_id: None where the message does not say.
    generation: replays behind this message; replay_of: the letter it was replayed from.
    attempts: runs of this message and its retries; deliveries: runs that ended with the worker's death.
    digest: SHA-256 of the body as it died, in hex.
    original: the message as it died, once it was edited.
    replayed_to: the queue the replay was sent to.
    """

    id: str
    reason: str
    queue: str
    died_at: float
    body: bytes
    content_type: str | None = None
    content_encoding: str | None = None
    headers: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    task: str | None = None
    task_id: str | None = None
    root_id: str | None = None
    parent_id: str | None = None
    group_id: str | None = None
    generation: int = 0
    replay_of: str | None = None
    exception: str | None = None
    message: str | None = None
    traceback: str | None = None
    attempts: int = 1
    deliveries: int = 0
    host: str | None = None
    worker: str | None = None
    digest: str = ""
    state: State = "waiting"
    recorded_at: float | None = None
    edited_at: float | None = None
    original: dict[str, Any] | None = None
    claim: str | None = None
    claimed_at: float | None = None
    replayed_at: float | None = None
    replayed_to: str | None = None
    discarded_at: float | None = None


class LetterFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which letters are meant; every field that is given must hold.

    ids: these letters; an empty tuple means none at all.
    task: a glob over task names, with * and ?.
    died_before, died_after: epoch seconds.
    replay_of: the letter whose replay died again.
    """

    ids: tuple[str, ...] | None = None
    task: str | None = None
    task_id: str | None = None
    queue: str | None = None
    reason: str | None = None
    states: tuple[State, ...] | None = None
    died_before: float | None = None
    died_after: float | None = None
    replay_of: str | None = None


class LetterCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many letters share a state, reason, task and queue, and when the last of them died."""

    state: State
    reason: str
    task: str | None
    queue: str
    letters: int
    last_died_at: float
