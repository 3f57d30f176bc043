"""Reading a task run from a Celery event, whatever is in it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from celeriac.observe.arguments import kept
from celeriac.plan.tables.records import Arguments
from celeriac.records import Description, Mishap, Run, RunState, Sighting
from celeriac.wire import GENERATION, generation_of

ID_CHARS_MAX = 512
NAME_CHARS_MAX = 512
LETTER_CHARS_MAX = 64
ERROR_CHARS_MAX = 4 * 1024
TRACEBACK_CHARS_MAX = 16 * 1024
_COUNT_MAX = 2**31 - 2
_LATEST = 1e11

_STATES: dict[str, RunState | Callable[[Mapping[str, Any]], RunState]] = {
    "task-sent": "sent",
    "task-received": "received",
    "task-started": "running",
    "task-succeeded": "succeeded",
    "task-failed": "failed",
    "task-retried": "retrying",
    "task-cancelled": "returned",
    "task-revoked": lambda event: "expired" if event.get("expired") is True else "revoked",
    "task-rejected": lambda event: "returned" if event.get("requeue") is True else "rejected",
}
_TELL_ALL = frozenset({"task-sent", "task-received"})


class Unreadable(ValueError):
    """An event that no run can be read from; the message is the reason, one of a few."""


def events_in(body: bytes | str) -> Iterator[object]:
    """Give the events of a message: one, or those that were sent together.

    Raises: Unreadable if it is no JSON.
    """
    read: Any
    try:
        read = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        try:
            # Slower, and takes what the other does not: lone surrogates, NaN, bytes that are no UTF-8.
            read = json.loads(body if isinstance(body, str) else body.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            raise Unreadable("it is no JSON") from None
    yield from read if isinstance(read, list) else [read]


def read_run(event: object, allowed: Arguments) -> Run | None:
    """Give what an event tells of a run, None if it is none of a task.

    What cannot be read is left out, where the rest still tells something.
    Raises: Unreadable if it does not say of which task, or when.
    """
    if not isinstance(event, dict):
        raise Unreadable("it is no event")
    kind = event.get("type")
    if not isinstance(kind, str):
        raise Unreadable("it has no type")
    state = _STATES.get(kind)
    if state is None:
        return None
    task_id = event.get("uuid")
    if not isinstance(task_id, str) or not task_id:
        raise Unreadable("it names no task")
    if len(task_id) > ID_CHARS_MAX:
        raise Unreadable("its task id is too long")
    at = _time(event.get("timestamp"))
    if at is None:
        raise Unreadable("it has no time")
    sent_at = _time(event.get("sent_at"))
    if kind == "task-sent":
        # Told after the broker had the message; ours say when it was sent, too.
        at = sent_at = at if sent_at is None else min(at, sent_at)
    sighting = Sighting(
        at,
        state(event) if callable(state) else state,
        None if kind == "task-sent" else _name(event.get("hostname")),
        _attempt(event.get("retries")),
        min(generation_of({GENERATION: _whole(event.get("generation"))}), _COUNT_MAX),
        sent_at,
        _span(event.get("runtime")),
    )
    return Run(
        task_id=clean(task_id)[:ID_CHARS_MAX],
        history=(sighting,),
        description=_description(event, at, allowed, is_full=kind in _TELL_ALL),
        mishap=_mishap(event, at),
    )


def _description(event: Mapping[str, Any], at: float, allowed: Arguments, *, is_full: bool) -> Description:
    task, queue = _name(event.get("name")), _name(event.get("queue"))
    if not is_full:
        return Description(False, at if task else 0.0, task, queue)
    replay_of = _name(event.get("replay_of"))
    return Description(
        is_full=True,
        at=at,
        task=task,
        queue=queue,
        eta=_moment(event.get("eta")),
        expires_at=_moment(event.get("expires")),
        root_id=_name(event.get("root_id")),
        # A retry names itself as its parent.
        parent_id=_name(event.get("parent_id")) if event.get("parent_id") != event.get("uuid") else None,
        group_id=_name(event.get("group_id")),
        replay_of=replay_of if replay_of and len(replay_of) <= LETTER_CHARS_MAX else None,
        args=kept(_text(event.get("args"), ERROR_CHARS_MAX), allowed),
        kwargs=kept(_text(event.get("kwargs"), ERROR_CHARS_MAX), allowed),
    )


def _mishap(event: Mapping[str, Any], at: float) -> Mishap | None:
    error = _text(event.get("exception"), ERROR_CHARS_MAX)
    traceback = event.get("traceback")
    if isinstance(traceback, str) and len(traceback) > TRACEBACK_CHARS_MAX:
        # Its end is where it says what was raised.
        traceback = "…" + traceback[-TRACEBACK_CHARS_MAX:]
    said = _text(traceback, TRACEBACK_CHARS_MAX + 1)
    return Mishap(at, error, said) if error or said else None


def clean(value: str) -> str:
    """Give text that every database takes: SQLite refuses lone surrogates, Postgres zero bytes."""
    if value.isascii() and "\0" not in value:
        return value
    return value.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _name(value: object) -> str | None:
    return (clean(value[:NAME_CHARS_MAX])[:NAME_CHARS_MAX] or None) if isinstance(value, str) else None


def _text(value: object, chars_max: int) -> str | None:
    return clean(value[:chars_max]) if isinstance(value, str) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _attempt(retries: object) -> int | None:
    count = _whole(retries)
    return None if count is None or count < 0 else min(count, _COUNT_MAX - 1) + 1


def _time(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < _LATEST else None


def _span(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < _LATEST and math.isfinite(value) else None


def _moment(value: object) -> float | None:
    """Read a time of the message, as ISO 8601 writes it."""
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value)
        return _time((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError, OSError):
        return None
