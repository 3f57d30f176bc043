"""A message as it stands in a list: written as stock kombu writes it, and what can be read from it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from math import isfinite
from typing import Any

import msgspec
from kombu.utils.json import dumps

from celeriac.transports.payload import lifetime_s
from celeriac.transports.sending import Outgoing

#: where a sender notes on a message that its reply has not come
ATTEMPT = "celeriac-attempt"
#: properties that the broker gives a message, and what stays with the sender
_OURS = frozenset({"delivery_tag", "body_encoding", "delivery_info", ATTEMPT})
_PLAIN = frozenset({str, int, bool, type(None)})


def encode(
    message: Mapping[str, Any], headers: Mapping[str, Any], queue: str, tag: str, way: Outgoing
) -> bytes:
    """Give a message as stock kombu puts it into a list."""
    properties = {key: value for key, value in message["properties"].items() if key not in _OURS}
    properties["delivery_info"] = {"exchange": way.exchange, "routing_key": way.routing_key or queue}
    properties["delivery_tag"] = tag
    properties["body_encoding"] = "base64"
    body = message["body"]
    whole: dict[str, Any] = {
        # msgspec writes bytes in base64.
        "body": body if isinstance(body, bytes) else str(body or "").encode(),
        "content-encoding": message["content-encoding"],
        "content-type": message["content-type"],
        "headers": headers,
        "properties": properties,
    }
    if _is_plain(headers) and _is_plain(properties):
        try:
            return msgspec.json.encode(whole)
        except (TypeError, ValueError, UnicodeError):
            pass  # kombu has its own spelling for what JSON does not know
    return dumps({**whole, "body": b64encode(whole["body"]).decode()}).encode()


def priority_of(message: Mapping[str, Any]) -> int:
    """Read a message's priority, 0 to 9; 0 for anything that is none."""
    value = message["properties"].get("priority")
    try:
        return min(max(int(value), 0), 9) if value is not None else 0
    except (TypeError, ValueError):
        return 0


def sent_at(tag: object) -> float | None:
    """Read from a delivery tag when the message was sent, epoch seconds; None if it is not one of ours."""
    parts = tag.split(".") if isinstance(tag, str) else ()
    try:
        return int(parts[0], 16) / 1000 if len(parts) == 4 else None
    except ValueError:
        return None


def expires_at(
    headers: Mapping[str, Any], properties: Mapping[str, Any], message_ttl_s: float | None = None
) -> float | None:
    """Say when a message is not to be delivered any more, epoch seconds; None if it lasts or was not sent by us."""
    if "expiration" not in properties and message_ttl_s is None:
        return None
    sent, span_s = (
        sent_at(properties.get("delivery_tag")),
        lifetime_s(headers, properties, message_ttl_s),
    )
    return None if sent is None or span_s is None else sent + span_s


def _is_plain(value: Any) -> bool:
    """Say whether JSON has a spelling for all of it that kombu would use as well."""
    kind = type(value)
    # Loops, and few calls: this is done for each message that is sent.
    if kind is dict:
        for key, each in value.items():
            if type(key) is not str or (type(each) not in _PLAIN and not _is_plain(each)):
                return False
        return True
    if kind is list or kind is tuple:
        for each in value:  # noqa: SIM110
            if type(each) not in _PLAIN and not _is_plain(each):
                return False
        return True
    return kind in _PLAIN or (kind is float and isfinite(value))
