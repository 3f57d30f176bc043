"""Sending: a message is routed to its queues and stored in one transaction, on disk before the call returns."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kombu.exceptions import InconsistencyError
from kombu.transport.virtual.exchange import TopicExchange

from celeriac import wire
from celeriac.clock import Clock
from celeriac.errors import BrokerError, QueueFull
from celeriac.transports.sqlite import doorbell, messages, queues
from celeriac.transports.sqlite.envelope import to_row
from celeriac.transports.sqlite.store import Store

#: how long a sender waits for room in a full queue that blocks, seconds
ROOM_PATIENCE_S = 30.0
_TOPICS = TopicExchange(None)


class Unroutable(BrokerError, InconsistencyError):
    """No queue is bound for the message; nothing was sent."""


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
            or wire.ONCE in headers
        )

    @property
    def is_lasting(self) -> bool:
        """Say whether it was promised to survive power loss (AMQP's delivery mode 2)."""
        return self.message["properties"].get("delivery_mode") != 1


class Sender:
    """Stores messages and rings their consumers."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def send(self, outgoing: Sequence[Outgoing]) -> None:
        """Store all of them, or none.

        Waits up to 30 s for room where a full queue blocks.
        Raises: QueueFull, Unroutable, BrokerUnavailable, BrokerCorrupt.
        """
        deadline = None
        while True:
            try:
                touched = self._store_all(outgoing)
            except _NoRoomYet as full:
                now = time.monotonic()
                deadline = deadline or now + ROOM_PATIENCE_S
                if now >= deadline:
                    raise full.error from None
                time.sleep(random.uniform(0.02, 0.06))  # noqa: S311 - spreads waiters, guards nothing
            else:
                doorbell.ring(self._store.location.folder, touched)
                return

    def _store_all(self, outgoing: Sequence[Outgoing]) -> set[str]:
        touched = set()
        now = self._clock.wall()
        if not any(message.exchange == "" for message in outgoing) and not self._anyone_listens(outgoing):
            return set()
        with self._store.writing(synced=any(message.is_lasting for message in outgoing)) as db:
            for message in outgoing:
                for queue in route(db, message):
                    _store_one(db, message, queue, now)
                    touched.add(queue)
        return touched

    def _anyone_listens(self, outgoing: Sequence[Outgoing]) -> bool:
        """Look before taking the write lock: most events have no listener."""
        with self._store.reading() as db:
            return any(route(db, message) for message in outgoing)


class _NoRoomYet(Exception):
    """A queue that blocks is full; the transaction was rolled back."""

    def __init__(self, error: QueueFull) -> None:
        super().__init__(str(error))
        self.error = error


def _store_one(db: sqlite3.Connection, message: Outgoing, queue: str, now: float) -> None:
    bounds = queues.bounds(db, queue)
    row = to_row(message.message, queue, now, bounds.message_ttl_s if bounds else None)
    try:
        messages.send(db, row, is_new_work=message.is_new_work)
    except QueueFull as full:
        if bounds is not None and bounds.when_full == "block":
            raise _NoRoomYet(full) from full
        raise


def route(db: sqlite3.Connection, message: Outgoing) -> list[str]:
    """Name the queues a message goes to.

    Raises: Unroutable if a direct exchange has no queue for it; topics and fanouts may have no listener.
    """
    exchange, routing_key = message.exchange, message.routing_key
    if not exchange:
        return [routing_key]
    kind = message.type or queues.exchange_type(db, exchange) or "direct"
    bound = queues.bindings(db, exchange)
    if kind == "fanout":
        return sorted({queue for _, queue in bound})
    if kind == "topic":
        return sorted(
            {queue for key, queue in bound if _TOPICS._match(_TOPICS.key_to_pattern(key), routing_key)}
        )
    names = sorted({queue for key, queue in bound if key == routing_key})
    if not names:
        raise Unroutable(
            "BROKER-011",
            f'no queue is bound to exchange "{exchange}" with routing key "{routing_key}". Nothing was sent.',
            known=sorted({f"{key} → {queue}" for key, queue in bound}),
            fix="declare the queue before sending to its exchange",
        )
    return names


class Batch:
    """kombu's publish batch (`Producer.batch`): many sends in one transaction.

    Raises, from publish and flush: what Sender.send raises; then nothing of the unflushed part was sent.
    """

    def __init__(self, channel: Any, sender: Sender, max_size: int) -> None:
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
