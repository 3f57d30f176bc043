"""Reading a letter from a message of the letters queue, whatever is in it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID, uuid4, uuid5

from celeriac import wire
from celeriac.clock import SYSTEM, Clock
from celeriac.records import Letter

NAME_CHARS_MAX = 512
ID_CHARS_MAX = 64
TEXT_CHARS_MAX = 128 * 1024
_COUNT_MAX = 2**31 - 1
_JSON = "application/json"
_NAMELESS = UUID("d1a0cf5c-20c6-5e0f-b1c5-5a9c6a3f7f52")


def read_letter(message: Any, clock: Clock = SYSTEM) -> Letter:
    """Give the letter that a kombu message of the letters queue is; never raises, whatever the message holds.

    What cannot be read is left out; the body is kept to the byte.
    """
    headers = dict(message.headers) if isinstance(message.headers, Mapping) else {}
    headers.pop(wire.ONCE, None)
    properties = dict(message.properties) if isinstance(message.properties, Mapping) else {}
    death = _death(headers.pop(wire.DEATH, None))
    body = body_bytes(message.body)
    spoken = said_of(headers, body, message.content_type)
    generation = _count(wire.generation_of(headers))
    return Letter(
        id=_short(death.get("letter")) or letter_id_of(message, headers, spoken),
        reason=_short(death.get("reason")) or "malformed",
        queue=name(death.get("queue")) or "",
        died_at=_time(death.get("died_at")) or clock.wall(),
        body=body,
        content_type=name(message.content_type),
        content_encoding=name(message.content_encoding),
        headers=headers,
        properties={key: value for key, value in properties.items() if key not in _OF_THE_DELIVERY},
        generation=generation,
        replay_of=_short(headers.get(wire.LETTER)),
        exception=name(death.get("exception")),
        message=text(death.get("message")),
        traceback=text(death.get("traceback")),
        attempts=_count(death.get("attempts"), 1),
        deliveries=_count(death.get("deliveries")),
        host=name(death.get("host")),
        worker=name(death.get("worker")),
        digest=hashlib.sha256(body).hexdigest(),
        task=spoken.task,
        task_id=spoken.task_id,
        root_id=spoken.root_id,
        parent_id=spoken.parent_id,
        group_id=spoken.group_id,
    )


#: properties the broker adds when it delivers, which would only be stale in a record
_OF_THE_DELIVERY = frozenset({"delivery_info", "delivery_tag", "body_encoding", "application_headers"})


def letter_id_of(message: Any, headers: Mapping[str, Any], spoken: Said) -> str:
    """Name the letter of this death: from the task id, else from the broker's own id of the message."""
    if spoken.task_id:
        return wire.letter_id(spoken.task_id, wire.generation_of(headers))
    properties = message.properties if isinstance(message.properties, Mapping) else {}
    for candidate in (properties.get("message_id"), properties.get("delivery_tag")):
        # A short tag counts deliveries of one channel and says nothing of the message.
        if isinstance(candidate, str) and len(candidate) >= 32:
            return str(uuid5(_NAMELESS, _clean(candidate)))
    return str(uuid4())


def unproven_letter_id(letter: str, reason: str, headers: Mapping[str, Any], body: bytes) -> str:
    """Name the letter of a message that proves nothing after its bytes.

    It must not take the place of `letter`, that of the task whose id it carries.
    """
    sent = [(key, said) for key, said in headers.items() if not key.startswith("x-")]
    digest = hashlib.sha256(repr(sent).encode() + body).hexdigest()
    return wire.letter_id(f"{letter}:{reason}:{digest}", 0)


class Said(NamedTuple):
    """Which task a message says it is of; None where it does not say."""

    task: str | None
    task_id: str | None
    root_id: str | None
    parent_id: str | None
    group_id: str | None


def said_of(headers: Mapping[str, Any], body: bytes, content_type: object) -> Said:
    """Read which task a message is of."""
    source: Mapping[str, Any] = headers
    if "task" not in headers and content_type == _JSON:
        # Celery's first message protocol says these in the body.
        read = read_json(body)
        source = {**read, **headers, "group": read.get("taskset")} if isinstance(read, dict) else headers
    said = Said(*(name(source.get(key)) for key in ("task", "id", "root_id", "parent_id", "group")))
    # A retry is sent by the task itself, and Celery names the sender as its parent.
    return said._replace(parent_id=None) if said.parent_id == said.task_id else said


def read_json(body: bytes) -> Any:
    """Read plain JSON, None if it is none; kombu's spelling of dates and the like stays as it is spelt."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def body_bytes(body: object) -> bytes:
    """Give a message's body as bytes."""
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    return b"" if body is None else str(body).encode("utf-8", "surrogatepass")


def name(value: object) -> str | None:
    """Give text fit for a column of names, None if it is no text."""
    if not isinstance(value, str) or not value:
        return None
    cleaned = _clean(value[: NAME_CHARS_MAX + 1])
    return cleaned if len(cleaned) <= NAME_CHARS_MAX else cleaned[: NAME_CHARS_MAX - 1] + "…"


def _short(value: object) -> str | None:
    cleaned = name(value)
    return cleaned if cleaned is not None and len(cleaned) <= ID_CHARS_MAX else None


def text(value: object) -> str | None:
    """Give long text fit for a column, None if it is no text."""
    return _clean(value[:TEXT_CHARS_MAX]) if isinstance(value, str) else None


def _clean(value: str) -> str:
    # Lone surrogates cannot be stored by SQLite, zero bytes not by Postgres.
    return value.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _death(header: object) -> dict[str, Any]:
    if isinstance(header, str | bytes):
        header = read_json(body_bytes(header))
    return header if isinstance(header, dict) else {}


def _count(value: object, default: int = 0) -> int:
    return min(max(value, 0), _COUNT_MAX) if isinstance(value, int) else default


def _time(value: object) -> float | None:
    is_time = isinstance(value, int | float) and math.isfinite(value) and 0 < value < 1e11
    return float(value) if is_time else None  # type: ignore[arg-type]
