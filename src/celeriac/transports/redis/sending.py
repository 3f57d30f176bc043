"""Sending: a message is put into its queues' lists by one script, once however often the same send is tried."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from uuid import uuid4

from celeriac import wire
from celeriac.clock import Clock
from celeriac.transports.payload import due_at
from celeriac.transports.redis.envelope import ATTEMPT, encode, priority_of
from celeriac.transports.redis.storing import Stored, Storing
from celeriac.transports.sending import NoRoomYet, Outgoing, patiently, queue_full


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
        storing: Storing,
        clock: Clock,
        route: Callable[[Outgoing], Sequence[str]],
        bound_of: Callable[[str], Bound | None],
        list_of: Callable[[int], int],
        patience_s: float,
    ) -> None:
        self._storing = storing
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
            begins = f"{round(now * 1000):x}.{attempt.sender}.{attempt.number:x}"
            messages = [
                self._stored(each, queue, f"{begins}.{place:x}", now)
                for place, (each, queue) in enumerate(routed)
            ]
            try:
                said = self._storing.store(attempt.sender, attempt.number, messages)
            except BaseException:
                for each in outgoing:
                    _properties(each)[ATTEMPT] = attempt
                self._id, self._number = _new_id(), 0
                raise
        for each in outgoing:
            _properties(each).pop(ATTEMPT, None)
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

    def _stored(self, outgoing: Outgoing, queue: str, tag: str, now: float) -> Stored:
        message = outgoing.message
        headers = message["headers"] or {}
        once = headers.get(wire.ONCE)
        if once is not None:
            headers = {name: value for name, value in headers.items() if name != wire.ONCE}
        bound = self._bound_of(queue) if outgoing.is_new_work else None
        return Stored(
            queue,
            self._list_of(priority_of(message)),
            encode(message, headers, queue, tag, outgoing),
            due_at(headers, now),
            None if once is None else str(once),
            None if bound is None else bound.max_length,
        )


def _properties(outgoing: Outgoing) -> dict[str, Any]:
    properties: dict[str, Any] = outgoing.message["properties"]
    return properties


def _in_doubt(outgoing: Sequence[Outgoing]) -> Attempt | None:
    """Give the attempt that these messages were sent in before, together and without an answer."""
    said = _properties(outgoing[0]).get(ATTEMPT)
    if not isinstance(said, tuple) or any(_properties(each).get(ATTEMPT) != said for each in outgoing):
        return None
    # One that comes from a spool was written down in between.
    attempt = Attempt(*said)
    return attempt if attempt.messages == len(outgoing) else None


def _new_id() -> str:
    return uuid4().hex[:16]
