"""kombu's payload (content type, headers, properties): read strictly, and turned into a letter."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import msgspec
from kombu.utils.json import loads

from celeriac import wire

Body = str | bytes | None


class MalformedEnvelope(ValueError):
    """The bytes are no envelope; the text says what is wrong."""


def decode(envelope: object, *, bytes_max: int | None = None) -> dict[str, Any]:
    """Read an envelope strictly.

    Raises: MalformedEnvelope, whatever the bytes are.
    """
    if not isinstance(envelope, bytes):
        raise MalformedEnvelope(f"the envelope is {type(envelope).__name__}, not bytes")
    if bytes_max is not None and len(envelope) > bytes_max:
        raise MalformedEnvelope(f"the envelope has {len(envelope)} bytes; {bytes_max} are allowed")
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


def due_at(headers: Mapping[str, Any], now: float) -> float | None:
    """Read when a task is due, epoch seconds; None if now, or if its eta cannot be read: the worker judges that."""
    eta = headers.get("eta")
    if not isinstance(eta, str):
        return None
    try:
        when = datetime.fromisoformat(eta)
        due = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return due if due > now else None


def lifetime_s(
    headers: Mapping[str, Any], properties: Mapping[str, Any], message_ttl_s: float | None = None
) -> float | None:
    """Say how long a message lasts: AMQP's `expiration` (milliseconds in a string) or, if shorter, the queue's bound.

    The `expiration` of a task that says when it expires is left to its worker, which ends it as revoked: dropped here,
    it would keep whoever waits for its result waiting for ever.
    """
    spans_s = [message_ttl_s] if message_ttl_s is not None else []
    expiration = None if headers.get("task") and headers.get("expires") else properties.get("expiration")
    if isinstance(expiration, str | int):
        with suppress(ValueError):
            spans_s.append(int(expiration) / 1000)
    return min(spans_s) if spans_s else None


def to_letter(
    payload: dict[str, Any] | None,
    body: Body,
    *,
    named_after: str,
    reason: str,
    why: str,
    queue: str,
    deliveries: int,
    now: float,
) -> tuple[dict[str, Any], Body, str]:
    """Give payload, body and letter id of the letter that a message becomes.

    payload: None if it cannot be read; then `body` is all that there was, and travels as octets.
    named_after: what a letter without a task id is named after; the same for the same death.
    """
    if payload is None:
        payload = {
            "content-type": "application/octet-stream",
            "content-encoding": "binary",
            "headers": {},
            "properties": {},
        }
    headers = payload["headers"]
    task_id = headers.get("id")
    letter = (
        wire.letter_id(task_id, wire.generation_of(headers))
        if isinstance(task_id, str)
        else str(uuid5(NAMESPACE_OID, named_after))
    )
    retries = headers.get("retries")
    headers[wire.DEATH] = {
        "letter": letter,
        "reason": reason,
        "message": why,
        "queue": queue,
        "attempts": retries + 1 if isinstance(retries, int) else 1,
        "deliveries": deliveries,
        "host": socket.gethostname(),
        "died_at": now,
    }
    return payload, body, letter
