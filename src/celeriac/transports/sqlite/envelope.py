"""The envelope of a message: kombu's payload without its body, to bytes for a row and strictly back."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import msgspec
from kombu.utils.json import dumps, loads

from celeriac import wire

#: headers and properties together; bodies are not bounded here
ENVELOPE_BYTES_MAX = 256 * 1024

Body = str | bytes | None


class MalformedEnvelope(ValueError):
    """The bytes are no envelope; the text says what is wrong."""


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
        due=_due(headers, now),
        expires=_expires(properties.get("expiration"), message_ttl_s, now),
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


def _due(headers: Mapping[str, Any], now: float) -> float | None:
    """Read a task's eta; one that cannot be read is left for the worker to judge."""
    eta = headers.get("eta")
    if not isinstance(eta, str):
        return None
    try:
        when = datetime.fromisoformat(eta)
        due = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return due if due > now else None


def _expires(expiration: object, message_ttl_s: float | None, now: float) -> float | None:
    """Read AMQP's `expiration` (milliseconds in a string); the shorter of it and the queue's own bound counts."""
    spans_s = [message_ttl_s] if message_ttl_s is not None else []
    if isinstance(expiration, str | int):
        with suppress(ValueError):
            spans_s.append(int(expiration) / 1000)
    return now + min(spans_s) if spans_s else None


def to_payload(stored: Stored, tag: str) -> dict[str, Any]:
    """Turn a fetched row into the payload that kombu's Message is made of.

    Raises: MalformedEnvelope if it is not one.
    """
    payload = decode(stored.envelope)
    properties = payload["properties"]
    properties["delivery_tag"] = tag
    properties["delivery_info"] = {
        "exchange": "",
        "routing_key": stored.queue,
        "priority": stored.priority,
        "redelivered": stored.redelivered,
        "deliveries": stored.deliveries,
    }
    payload["body"] = stored.body
    return payload


def decode(envelope: object) -> dict[str, Any]:
    """Read an envelope strictly.

    Raises: MalformedEnvelope, whatever the bytes are.
    """
    if not isinstance(envelope, bytes):
        raise MalformedEnvelope(f"the envelope is {type(envelope).__name__}, not bytes")
    if len(envelope) > ENVELOPE_BYTES_MAX:
        raise MalformedEnvelope(f"the envelope has {len(envelope)} bytes; {ENVELOPE_BYTES_MAX} are allowed")
    try:
        payload = msgspec.json.decode(envelope)
        if b'"__type__"' in envelope:
            payload = loads(envelope)  # kombu's own spelling of dates and the like
    except (ValueError, RecursionError, TypeError, AttributeError, KeyError) as error:
        raise MalformedEnvelope(f"the envelope is not JSON: {error}") from error
    if not isinstance(payload, dict):
        raise MalformedEnvelope(f"the envelope is a {type(payload).__name__}, not an object")
    for key in ("properties", "headers"):
        if not isinstance(payload.get(key), dict):
            raise MalformedEnvelope(f'the envelope has no object "{key}"')
    for key in ("content-type", "content-encoding"):
        if not isinstance(payload.get(key), str | None):
            raise MalformedEnvelope(f'"{key}" is not text')
    return payload


def to_letter(stored: Stored, broker: str, reason: str, why: str, now: float) -> tuple[bytes, Body, str]:
    """Give envelope, body and letter id of the letter that a row becomes.

    broker: the file's own id, of which letters without a task id are named.
    A row whose envelope cannot be read travels whole as octets: its envelope, a zero byte, its body.
    """
    try:
        payload = decode(stored.envelope)
        body = stored.body
    except MalformedEnvelope:
        octets = [
            part if isinstance(part, bytes) else str(part or "").encode()
            for part in (stored.envelope, stored.body)
        ]
        payload = {
            "content-type": "application/octet-stream",
            "content-encoding": "binary",
            "headers": {},
            "properties": {},
        }
        body = b"\0".join(octets)
    headers = payload["headers"]
    task_id = headers.get("id")
    letter = (
        wire.letter_id(task_id, wire.generation_of(headers))
        if isinstance(task_id, str)
        else str(uuid5(NAMESPACE_OID, f"{broker}:{stored.id}:{stored.sent}:{stored.envelope!r:.512}"))
    )
    retries = headers.get("retries")
    headers[wire.DEATH] = {
        "letter": letter,
        "reason": reason,
        "message": why,
        "queue": stored.queue,
        "attempts": retries + 1 if isinstance(retries, int) else 1,
        "deliveries": stored.deliveries,
        "host": socket.gethostname(),
        "died_at": now,
    }
    return dumps(payload).encode(), body, letter
