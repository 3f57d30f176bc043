"""Sending: a message is routed to its queues and stored in one transaction, on disk before the call returns."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from kombu.transport.virtual.exchange import TopicExchange

from celeriac.clock import Clock
from celeriac.errors import QueueFull
from celeriac.transports.sending import NoRoomYet, Outgoing, patiently, unroutable
from celeriac.transports.sqlite import doorbell, messages, queues
from celeriac.transports.sqlite.envelope import to_row
from celeriac.transports.sqlite.store import Store

_TOPICS = TopicExchange(None)


class Sender:
    """Stores messages and rings their consumers."""

    def __init__(self, store: Store, clock: Clock, patience_s: float) -> None:
        self._store = store
        self._clock = clock
        self._patience_s = patience_s

    def send(self, outgoing: Sequence[Outgoing]) -> None:
        """Store all of them, or none.

        Waits for room where a full queue blocks.
        Raises: QueueFull, Unroutable, BrokerUnavailable, BrokerCorrupt.
        """
        touched = patiently(lambda: self._store_all(outgoing), self._patience_s)
        doorbell.ring(self._store.location.folder, touched)

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


def _store_one(db: sqlite3.Connection, message: Outgoing, queue: str, now: float) -> None:
    bounds = queues.bounds(db, queue)
    row = to_row(message.message, queue, now, bounds.message_ttl_s if bounds else None)
    try:
        messages.send(db, row, is_new_work=message.is_new_work)
    except QueueFull as full:
        if bounds is not None and bounds.when_full == "block":
            raise NoRoomYet(full) from full
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
        raise unroutable(exchange, routing_key, bound)
    return names
