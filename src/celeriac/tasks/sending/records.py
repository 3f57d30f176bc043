"""How messages are written into a record of the spool, and read back."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from kombu.entity import Exchange, Queue
from kombu.utils.json import dumps, loads

from celeriac import wire
from celeriac.tasks.sending.prepared import Prepared

#: what a channel of ours leaves on a message whose reply did not come
_ATTEMPT = "celeriac-attempt"


class Unreadable(ValueError):
    """A record cannot be read; says why."""


def written(messages: Sequence[Prepared]) -> bytes:
    """Write messages, each under a key by which brokers of ours take it once."""
    record = uuid4().hex
    return dumps(
        [_written(each, f"{wire.SEND_ONCE}{record}:{place}") for place, each in enumerate(messages)]
    ).encode()


def _written(message: Prepared, once: str) -> dict[str, Any]:
    body = message.body
    return {
        "body": b64encode(body).decode() if isinstance(body, bytes) else body,
        "binary": isinstance(body, bytes),
        "priority": message.priority,
        "content_type": message.content_type,
        "content_encoding": message.content_encoding,
        "headers": {wire.ONCE: once, **message.headers},
        "properties": {
            name: value for name, value in message.properties.items() if name not in ("delivery_tag",)
        },
        "exchange": message.exchange,
        "routing_key": message.routing_key,
        "declare": [entity.as_dict(recurse=True) for entity in message.declare if isinstance(entity, Queue)],
        "arguments": {name: value for name, value in message.arguments.items() if value},
    }


def read(payload: bytes) -> list[Prepared]:
    """Read a record back.

    Raises: Unreadable, whatever the bytes are.
    """
    try:
        return [_read(each) for each in loads(payload)]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Unreadable(f"the record cannot be read: {error!r}") from error


def _read(said: dict[str, Any]) -> Prepared:
    properties = dict(said["properties"])
    if _ATTEMPT in properties:
        properties[_ATTEMPT] = tuple(properties[_ATTEMPT])
    return Prepared(
        b64decode(said["body"]) if said["binary"] else said["body"],
        said["priority"],
        said["content_type"],
        said["content_encoding"],
        dict(said["headers"]),
        properties,
        said["exchange"],
        said["routing_key"],
        [_queue(each) for each in said["declare"]],
        dict(said["arguments"]),
    )


def _queue(said: dict[str, Any]) -> Queue:
    own = {name: value for name, value in said.items() if name not in ("exchange", "bindings")}
    return Queue(exchange=Exchange(**said["exchange"]) if said["exchange"] else None, **own)
