"""Sending: a message is put into its queues' lists by one script, once however often the same send is tried."""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec
from kombu.utils.json import dumps

from celeriac import wire
from celeriac.clock import Clock
from celeriac.transports.payload import due_at, lifetime_s
from celeriac.transports.redis.keys import Keys
from celeriac.transports.redis.line import Line
from celeriac.transports.redis.scripts import SEND
from celeriac.transports.sending import NoRoomYet, Outgoing, patiently, queue_full

#: how long a send may be tried again and be known, seconds; a spool may wait so long for the server
SENDER_KEPT_S = 86_400
#: how long a once-key is remembered, seconds
ONCE_KEPT_S = 30 * 86_400
#: properties that the broker gives a message; `celeriac-attempt` stays with the sender
_OURS = frozenset({"delivery_tag", "body_encoding", "delivery_info", "celeriac-attempt"})
_ATTEMPT = "celeriac-attempt"
_PLAIN = frozenset({str, int, bool, type(None)})


class Attempt(NamedTuple):
    """A send whose reply has not come: who sends, and its number there."""

    sender: str
    number: int
    messages: int


class Bound(NamedTuple):
    """What a queue may hold."""

    max_length: int
    when_full: str


class Sender:
    """Stores the messages of one channel.

    A sender numbers its sends, and the server remembers the last number. A send that fails leaves its number in doubt;
    it stays with the message, and the next send goes out under another sender's id. So when kombu publishes the
    same message again, the server knows whether it has it.
    """

    def __init__(
        self,
        line: Line,
        keys: Keys,
        clock: Clock,
        route: Callable[[Outgoing], Sequence[str]],
        bound_of: Callable[[str], Bound | None],
        list_of: Callable[[int], int],
        patience_s: float,
    ) -> None:
        self._line = line
        self._keys = keys
        self._clock = clock
        self._route = route
        self._bound_of = bound_of
        self._list_of = list_of
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._id, self._number = _new_id(), 0

    def send(self, outgoing: Sequence[Outgoing]) -> None:
        """Store all of them, or none.

        Waits for room where a full queue blocks.
        Raises: QueueFull, Unroutable, BrokerUnavailable, BrokerError.
        """
        routed = [(each, queue) for each in outgoing for queue in self._route(each)]
        if routed:
            patiently(lambda: self._store(outgoing, routed), self._patience_s)

    def _store(self, outgoing: Sequence[Outgoing], routed: Sequence[tuple[Outgoing, str]]) -> None:
        with self._lock:
            attempt = _in_doubt(outgoing) or self._next(len(outgoing))
            now = self._clock.wall()
            request = _Request(self._keys.sender(attempt.sender), attempt.number)
            for place, (each, queue) in enumerate(routed):
                self._add(
                    request,
                    each,
                    queue,
                    f"{round(now * 1000):x}.{attempt.sender}.{attempt.number:x}.{place:x}",
                    now,
                )
            try:
                said = self._line.run(SEND, request.keys, request.arguments)
            except BaseException:
                for each in outgoing:
                    _properties(each)[_ATTEMPT] = attempt
                self._id, self._number = _new_id(), 0
                raise
        for each in outgoing:
            _properties(each).pop(_ATTEMPT, None)
        if said[0] == b"full":
            each, queue = routed[said[1]]
            bound = self._bound_of(queue)
            full = queue_full(queue, said[2], bound.max_length if bound else None)
            if bound is not None and bound.when_full == "block":
                raise NoRoomYet(full)
            raise full

    def _next(self, messages: int) -> Attempt:
        self._number += 1
        return Attempt(self._id, self._number, messages)

    def _add(self, request: _Request, outgoing: Outgoing, queue: str, tag: str, now: float) -> None:
        message = outgoing.message
        headers = message["headers"] or {}
        once = headers.get(wire.ONCE)
        if once is not None:
            headers = {name: value for name, value in headers.items() if name != wire.ONCE}
        priority = self._list_of(priority_of(message))
        due = due_at(headers, now)
        bound = self._bound_of(queue) if outgoing.is_new_work else None
        request.add(
            request.key(self._keys.ready(queue, priority)),
            0 if due is None else request.key(self._keys.delayed(queue)),
            0 if due is None else round(due * 1000),
            0 if once is None else request.key(self._keys.once(str(once))),
            0 if bound is None else bound.max_length,
            0 if bound is None else request.keys_of(self._keys, queue),
            priority,
            encode(message, headers, queue, tag, outgoing),
        )


class _Request:
    """Keys and arguments of one call of the script."""

    def __init__(self, sender: str, number: int) -> None:
        self.keys = [sender]
        self._places = {sender: 1}
        self.arguments: list[bytes | str | int] = [number, SENDER_KEPT_S, ONCE_KEPT_S]

    def key(self, name: str) -> int:
        """Give the number of a key."""
        place = self._places.get(name)
        if place is None:
            self.keys.append(name)
            place = self._places[name] = len(self.keys)
        return place

    def keys_of(self, keys: Keys, queue: str) -> int:
        """Give the number of the first of a queue's ten lists, after which its delayed set comes."""
        mark = f"{queue}\0bound"
        if mark not in self._places:
            self._places[mark] = len(self.keys) + 1
            self.keys += [*keys.lists(queue), keys.delayed(queue)]
        return self._places[mark]

    def add(self, *arguments: bytes | str | int) -> None:
        self.arguments += arguments


def encode(
    message: Mapping[str, Any], headers: Mapping[str, Any], queue: str, tag: str, way: Outgoing
) -> bytes:
    """Give a message as stock kombu puts it into a list."""
    properties = {key: value for key, value in message["properties"].items() if key not in _OURS}
    properties["delivery_info"] = {"exchange": way.exchange, "routing_key": way.routing_key or queue}
    properties["delivery_tag"] = tag
    properties["body_encoding"] = "base64"
    body = message["body"]
    whole = {
        "body": b64encode(body if isinstance(body, bytes) else str(body or "").encode()).decode(),
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
    return dumps(whole).encode()


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
    if kind in _PLAIN:
        return True
    # Loops, and few calls: this is done for each message that is sent.
    if isinstance(value, dict):
        for key, each in value.items():
            if type(key) is not str or not (type(each) in _PLAIN or _is_plain(each)):
                return False
        return True
    if isinstance(value, list | tuple):
        for each in value:  # noqa: SIM110
            if not (type(each) in _PLAIN or _is_plain(each)):
                return False
        return True
    return kind is float and isfinite(value)


def _properties(outgoing: Outgoing) -> dict[str, Any]:
    properties: dict[str, Any] = outgoing.message["properties"]
    return properties


def _in_doubt(outgoing: Sequence[Outgoing]) -> Attempt | None:
    """Give the attempt that these messages were sent in before, together and without an answer."""
    attempts = {_properties(each).get(_ATTEMPT) for each in outgoing}
    said = attempts.pop() if len(attempts) == 1 else None
    # One that comes from a spool was written down in between.
    attempt = Attempt(*said) if isinstance(said, tuple) else None
    return attempt if attempt is not None and attempt.messages == len(outgoing) else None


def _new_id() -> str:
    return uuid4().hex[:16]
