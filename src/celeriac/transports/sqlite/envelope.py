"""The envelope of a message: kombu's payload without its body, to bytes for a row and strictly back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from kombu.utils.json import dumps

from celeriac import wire
from celeriac.transports.payload import Body, MalformedEnvelope, decode, due_at, lifetime_s
from celeriac.transports.payload import to_letter as payload_to_letter

#: headers and properties together; bodies are not bounded here
ENVELOPE_BYTES_MAX = 256 * 1024


class Row(msgspec.Struct, frozen=True):
    """A message as the file holds it. Times are epoch seconds."""

    queue: str
    priority: int
    due: float | None
    expires: float | None
    sent: float
    task_id: str | None
    task: str | None
    envelope: bytes
    body: Body
    once: str | None = None


class Stored(msgspec.Struct, frozen=True):
    """A row that was fetched, with its number and history.

    deliveries: earlier deliveries that ended with the worker's death.
    """

    id: int
    queue: str
    priority: int
    deliveries: int
    redelivered: bool
    sent: float
    task_id: str | None
    task: str | None
    envelope: bytes
    body: Body


def to_row(message: Mapping[str, Any], queue: str, now: float, message_ttl_s: float | None = None) -> Row:
    """Turn a kombu payload into the row to store; takes the `celeriac-once` header off on the way."""
    headers = dict(message["headers"] or {})
    properties = {key: value for key, value in message["properties"].items() if key not in _OURS}
    once = headers.pop(wire.ONCE, None)
    task_id, task = headers.get("id"), headers.get("task")
    span_s = lifetime_s(headers, properties, message_ttl_s)
    envelope = dumps(
        {
            "content-type": message["content-type"],
            "content-encoding": message["content-encoding"],
            "headers": headers,
            "properties": properties,
        }
    ).encode()
    return Row(
        queue=queue,
        priority=_priority(properties.get("priority")),
        due=due_at(headers, now),
        expires=None if span_s is None else now + span_s,
        sent=now,
        task_id=task_id if isinstance(task_id, str) else None,
        task=task if isinstance(task, str) else None,
        envelope=envelope,
        body=message["body"],
        once=None if once is None else str(once),
    )


#: properties that the broker gives a message when it delivers it
_OURS = frozenset({"delivery_info", "delivery_tag", "body_encoding"})


def _priority(value: object) -> int:
    return min(max(value, 0), 9) if isinstance(value, int) else 0


def to_payload(stored: Stored, tag: str) -> dict[str, Any]:
    """Turn a fetched row into the payload that kombu's Message is made of.

    Raises: MalformedEnvelope if it is not one.
    """
    payload = decode(stored.envelope, bytes_max=ENVELOPE_BYTES_MAX)
    properties = payload["properties"]
    properties["delivery_tag"] = tag
    properties["delivery_info"] = {
        "exchange": "",
        "routing_key": stored.queue,
        "priority": stored.priority,
        "redelivered": bool(stored.redelivered),
        "deliveries": stored.deliveries,
    }
    payload["body"] = stored.body
    return payload


def to_letter(stored: Stored, broker: str, reason: str, why: str, now: float) -> tuple[bytes, Body, str]:
    """Give envelope, body and letter id of the letter that a row becomes.

    broker: the file's own id, of which letters without a task id are named.
    A row whose envelope cannot be read travels whole as octets: its envelope, a zero byte, its body.
    """
    try:
        payload: dict[str, Any] | None = decode(stored.envelope, bytes_max=ENVELOPE_BYTES_MAX)
        body = stored.body
    except MalformedEnvelope:
        payload = None
        octets = [
            part if isinstance(part, bytes) else str(part or "").encode()
            for part in (stored.envelope, stored.body)
        ]
        body = b"\0".join(octets)
    letter, body, letter_id = payload_to_letter(
        payload,
        body,
        named_after=f"{broker}:{stored.id}:{stored.sent}:{stored.envelope!r:.512}",
        reason=reason,
        why=why,
        queue=stored.queue,
        deliveries=stored.deliveries,
        now=now,
    )
    return dumps(letter).encode(), body, letter_id
