"""Sending: what a message on its way is, how a sender waits for room, and batches."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from kombu.exceptions import InconsistencyError

from celeriac import wire
from celeriac.errors import BrokerError, QueueFull

#: how long a sender waits for room in a full queue that blocks, unless its transport option says otherwise; seconds
ROOM_PATIENCE_S = 30.0

Sent = TypeVar("Sent")


class Unroutable(BrokerError, InconsistencyError):
    """No queue is bound for the message; nothing was sent."""


def unroutable(exchange: str, routing_key: str, bound: Sequence[tuple[str, str]]) -> Unroutable:
    """Say that no queue is bound for a message. bound: (routing key, queue) of those that are."""
    return Unroutable(
        "BROKER-011",
        f'no queue is bound to exchange "{exchange}" with routing key "{routing_key}". Nothing was sent.',
        known=sorted({f"{key} → {queue}" for key, queue in bound}),
        fix="declare the queue before sending to its exchange",
    )


def queue_full(queue: str, length: int, max_length: int | None) -> QueueFull:
    """Say that a bounded queue has no room."""
    return QueueFull(
        "BROKER-010",
        f'queue "{queue}" is full: it holds {length} of {max_length} messages. Nothing was sent.',
        queue=queue,
        fix="send again later, start more workers, or raise max_length",
    )


class Outgoing(NamedTuple):
    """A kombu payload on its way. type: of the exchange, as the sender declared it."""

    message: Mapping[str, Any]
    exchange: str
    routing_key: str
    type: str | None

    @property
    def is_new_work(self) -> bool:
        """Say whether it may be refused for want of room, which what follows from accepted work never is."""
        headers = self.message["headers"] or {}
        return not (
            headers.get("retries")
            or wire.DEATH in headers
            or wire.GENERATION in headers
            or not str(headers.get(wire.ONCE, wire.SEND_ONCE)).startswith(wire.SEND_ONCE)
        )

    @property
    def is_lasting(self) -> bool:
        """Say whether it was promised to survive power loss (AMQP's delivery mode 2)."""
        return self.message["properties"].get("delivery_mode") != 1


class NoRoomYet(Exception):
    """A queue that blocks is full; nothing was stored."""

    def __init__(self, error: QueueFull) -> None:
        super().__init__(str(error))
        self.error = error


def patiently(store: Callable[[], Sent], patience_s: float = ROOM_PATIENCE_S) -> Sent:
    """Call `store` until there is room, for up to `patience_s`.

    Raises: QueueFull when the time is over; what `store` raises, NoRoomYet excepted.
    """
    deadline = None
    while True:
        try:
            return store()
        except NoRoomYet as full:
            now = time.monotonic()
            deadline = deadline or now + patience_s
            if now >= deadline:
                raise full.error from None
            time.sleep(random.uniform(0.02, 0.06))  # noqa: S311 - spreads waiters, guards nothing


class Sends(Protocol):
    """What a batch is sent by."""

    def send(self, outgoing: Sequence[Outgoing]) -> None:
        """Store all of them, or none."""
        ...


class Batch:
    """kombu's publish batch (`Producer.batch`): many sends in one step.

    Raises, from publish and flush: what the sender raises; then nothing of the unflushed part was sent.
    """

    def __init__(self, channel: Any, sender: Sends, max_size: int) -> None:
        self.channel = channel
        self._sender = sender
        self._max_size = max_size
        self._waiting: list[Outgoing] = []

    def publish(
        self, message: Mapping[str, Any], exchange: str = "", routing_key: str = "", **_: Any
    ) -> None:
        self._waiting.append(self.channel.outgoing(message, exchange, routing_key))
        if len(self._waiting) >= self._max_size:
            self.flush()

    def flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._sender.send(waiting)

    def discard(self) -> None:
        self._waiting.clear()

    def close(self) -> None:
        self._waiting.clear()
