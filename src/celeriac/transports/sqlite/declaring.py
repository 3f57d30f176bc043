"""The sending half of a channel of the embedded broker: queues declared and messages sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kombu.transport import virtual

from celeriac.transports.sending import Batch, Outgoing
from celeriac.transports.sqlite import queues
from celeriac.transports.sqlite.sending import Sender

if TYPE_CHECKING:
    from celeriac.transports.sqlite.store import Store


class SendingChannel(virtual.Channel):
    """Keeps exchanges, queues and bindings in the file, where every process sees them, and sends."""

    supports_fanout = True
    supports_batch_publish = True
    body_encoding = None  # bodies are stored as they are, text or bytes

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        super().__init__(connection, **kwargs)
        self.store: Store = connection.store
        self._sender = Sender(self.store, connection.clock, connection.room_patience_s)
        self._declared: set[tuple[Any, ...]] = set()

    # Declaring.

    def exchange_declare(self, exchange: str | None = None, type: str = "direct", **kwargs: Any) -> None:  # noqa: A002
        super().exchange_declare(exchange, type=type, **kwargs)
        name = exchange or f"amq.{type or 'direct'}"
        if self._is_news("exchange", name, type):
            with self.store.writing() as db:
                queues.declare_exchange(db, name, type or "direct")

    def exchange_delete(self, exchange: str, if_unused: bool = False, nowait: bool = False) -> None:
        with self.store.writing() as db:
            if not (if_unused and queues.bindings(db, exchange)):
                queues.delete_exchange(db, exchange)
        self.state.exchanges.pop(exchange, None)
        self._declared.clear()

    def _new_queue(self, queue: str, **kwargs: Any) -> None:
        arguments = kwargs.get("arguments") or {}
        bounds = self.connection.queue_bounds.get(queue, {})
        declared = {
            "max_length": bounds.get("max_length") or arguments.get("x-max-length"),
            "when_full": bounds.get("when_full", "reject" if "x-max-length" in arguments else "block"),
            "message_ttl_s": _seconds(arguments.get("x-message-ttl")),
            "unused_ttl_s": _seconds(arguments.get("x-expires")),
            "auto_delete": bool(kwargs.get("auto_delete")),
        }
        if self._is_news("queue", queue, *declared.values()):
            with self.store.writing() as db:
                queues.declare(db, queue, now=self.connection.clock.wall(), **declared)

    def _has_queue(self, queue: str, **kwargs: Any) -> bool:
        with self.store.reading() as db:
            return queues.bounds(db, queue) is not None

    def queue_bind(
        self,
        queue: str,
        exchange: str | None = None,
        routing_key: str = "",
        arguments: Any = None,
        **kwargs: Any,
    ) -> None:
        name = exchange or "amq.direct"
        if self._is_news("binding", name, routing_key, queue):
            with self.store.writing() as db:
                queues.bind(db, name, routing_key or "", queue)

    def queue_unbind(
        self,
        queue: str,
        exchange: str | None = None,
        routing_key: str = "",
        arguments: Any = None,
        **kwargs: Any,
    ) -> None:
        with self.store.writing() as db:
            queues.unbind(db, exchange or "amq.direct", routing_key or "", queue)
        self._declared.clear()

    def queue_delete(
        self, queue: str, if_unused: bool = False, if_empty: bool = False, **kwargs: Any
    ) -> None:
        with self.store.writing() as db:
            if (if_empty and queues.waiting(db, queue)) or (if_unused and queues.has_readers(db, queue)):
                return
            queues.delete(db, queue)
        self._declared.clear()

    def list_bindings(self) -> list[tuple[str, str, str]]:
        with self.store.reading() as db:
            return db.execute("SELECT queue, exchange, routing_key FROM bindings").fetchall()

    def get_table(self, exchange: str) -> list[tuple[str, str, str]]:
        with self.store.reading() as db:
            return [(key, "", queue) for key, queue in queues.bindings(db, exchange)]

    def _is_news(self, *declared: Any) -> bool:
        """Say whether this was declared here before; what others delete meanwhile, a send makes again."""
        if declared in self._declared:
            return False
        self._declared.add(declared)
        return True

    def _size(self, queue: str) -> int:
        with self.store.reading() as db:
            return queues.waiting(db, queue)

    def _purge(self, queue: str) -> int:
        with self.store.writing() as db:
            return queues.purge(db, queue)

    # Sending.

    def basic_publish(
        self, message: Mapping[str, Any], exchange: str, routing_key: str, **kwargs: Any
    ) -> None:
        self._sender.send((self.outgoing(message, exchange, routing_key),))

    def outgoing(self, message: Mapping[str, Any], exchange: str, routing_key: str) -> Outgoing:
        declared = self.state.exchanges.get(exchange)
        return Outgoing(message, exchange or "", routing_key or "", declared["type"] if declared else None)

    def create_publish_batch(self, max_size: int) -> Batch:
        return Batch(self, self._sender, max_size)


def _seconds(milliseconds: object) -> float | None:
    return milliseconds / 1000 if isinstance(milliseconds, int | float) else None
