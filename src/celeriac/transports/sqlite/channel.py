"""The kombu channel of the embedded broker: declares, sends, consumes and settles."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kombu.transport import virtual

from celeriac.events import emit
from celeriac.transports.holding import Holding
from celeriac.transports.payload import MalformedEnvelope
from celeriac.transports.sending import Batch, Outgoing
from celeriac.transports.sqlite import consumers, doorbell, messages, queues
from celeriac.transports.sqlite.delivery import Delivery, Fetched
from celeriac.transports.sqlite.envelope import Stored, to_payload
from celeriac.transports.sqlite.page import Guard
from celeriac.transports.sqlite.sending import Sender

if TYPE_CHECKING:
    from celeriac.transports.sqlite.lease import Lease
    from celeriac.transports.sqlite.store import Store


class Channel(virtual.Channel):
    """One channel; channels of a connection share its file and its lease.

    Beyond AMQP it has `mark_started(delivery_tag)`: this message is being run now (see docs/design/0001); and
    `settles_anywhere`: any thread may ack and reject, at any time.
    """

    settles_anywhere = True
    QoS = Holding
    supports_fanout = True
    supports_batch_publish = True
    body_encoding = None  # bodies are stored as they are, text or bytes

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        super().__init__(connection, **kwargs)
        self.store: Store = connection.store
        self._sender = Sender(self.store, connection.clock, connection.room_patience_s)
        self._delivery = Delivery(self, connection.clock)
        self._unacked_only: set[str] = set()
        self._declared: set[tuple[Any, ...]] = set()

    @property
    def lease(self) -> Lease | None:
        """The process's lease, once something is consumed."""
        return self.connection.lease if self.connection is not None else None

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

    # Consuming.

    def basic_consume(
        self, queue: str, no_ack: bool, callback: Callable[..., Any], consumer_tag: str, **kwargs: Any
    ) -> None:
        super().basic_consume(queue, no_ack, callback, consumer_tag, **kwargs)
        if no_ack:
            self._unacked_only.add(queue)
        self.connection.take_lease().read(queue)
        self._delivery.look()

    def basic_cancel(self, consumer_tag: str) -> None:
        queue = self._tag_to_queue.get(consumer_tag)
        super().basic_cancel(consumer_tag)
        if queue is not None and queue not in self._active_queues:
            self._delivery.give_back_all()
            self._unacked_only.discard(queue)
            if self.lease is not None:
                self.lease.stop_reading(queue)

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:
        lease = self.connection.take_lease()
        owner = 0 if no_ack else lease.number
        while (stored := self._get_one(queue, owner)) is not None:
            tag = f"{owner}-{stored.id}"
            try:
                message = self.Message(to_payload(stored, tag), channel=self)
            except MalformedEnvelope as malformed:
                self.set_aside((owner, stored), str(malformed))
                continue
            if not no_ack:
                self.qos.append(message, tag)
            return message
        return None

    def _get_one(self, queue: str, owner: int) -> Stored | None:
        now = self.connection.clock.wall()
        with self.store.writing() as db:
            messages.ripen(db, now)
            found = (
                messages.fetch(db, owner, [queue], 1, now) if owner else messages.take(db, [queue], 1, now)
            )
        return found[0] if found else None

    def reads(self) -> tuple[list[str], list[str]]:
        """Name the queues read with acks, in order of preference, and those read without."""
        return (
            [queue for queue in self._active_queues if queue not in self._unacked_only],
            [queue for queue in self._active_queues if queue in self._unacked_only],
        )

    def is_unacked_only(self) -> bool:
        return bool(self._unacked_only) and len(self._unacked_only) == len(self._active_queues)

    def deliver(self) -> int:
        """Deliver what can be delivered now; say how many messages."""
        return self._delivery.turn() if self._active_queues else 0

    def look(self) -> None:
        self._delivery.look()

    def is_in_turn(self) -> bool:
        """Say whether the calling thread comes round to `deliver` by itself, which writes the acks."""
        return self._delivery.is_running or (
            self.connection is not None and self.connection.loop_thread == threading.get_ident()
        )

    @property
    def has_loop(self) -> bool:
        """Say whether a loop comes round to `deliver` when it is woken."""
        return self.connection is not None and self.connection.loop_thread != 0

    def wake(self) -> None:
        """Let the loop come round to this channel at once."""
        if self.lease is not None:
            self.lease.bell.ring()

    @property
    def next_due(self) -> float | None:
        return self._delivery.next_due

    def tend(self) -> None:
        """What the keeper's thread does for this channel, four times a second."""
        self._delivery.give_back_hoard()
        if self._qos is not None:
            self._qos.write_acks()

    # Settling for consumers of other processes on this host.

    @property
    def consumer_id(self) -> str:
        """Name this process's consumer to whoever may have to settle for it; "" before it consumes."""
        return str(self.lease.number) if self.lease is not None else ""

    def guard(self) -> Guard | None:
        """See to it that only whoever has this guard, too, settles what our consumer leaves when it dies."""
        return Guard(self.store.location.folder, self.lease.number) if self.lease is not None else None

    def inherit(self, consumer: str, running: str) -> tuple[Any, list[Any]]:
        """Take over what a dead consumer held; what cannot be read is set aside.

        running: the delivery tag, at that consumer, of what it was running; "" if nothing.
        Returns: messages of this channel, to be acked or rejected here: the one that was running, None if it is
            settled, and the others, oldest first.
        """
        heir = self.connection.take_lease().number
        with self.store.writing() as db:
            held = consumers.inherit(db, heir, int(consumer), self.connection.clock.wall())
        (self.store.location.folder / f"{consumer}.page").unlink(missing_ok=True)
        ran, others = None, []
        for stored in held:
            tag = f"{heir}-{stored.id}"
            try:
                message = self.Message(to_payload(stored, tag), channel=self)
            except MalformedEnvelope as malformed:
                self.set_aside((heir, stored), str(malformed))
                continue
            self.qos.append(message, tag)
            if running == f"{consumer}-{stored.id}":
                ran = message
            else:
                others.append(message)
        return ran, others

    def bury(self, consumer: str) -> None:
        """Nothing: with what it held, it has gone."""

    # Settling.

    def mark_started(self, delivery_tag: str) -> None:
        """Say that this message is being run now: if this process dies, its delivery is counted."""
        self.qos.mark_started(delivery_tag)

    def held_of(self, delivery_tag: str) -> tuple[int, int]:
        owner, number = delivery_tag.split("-")
        return int(owner), int(number)

    def mark(self, held: tuple[int, int]) -> None:
        if self.lease is not None and held[0] == self.lease.number:
            self.lease.page.mark(held[1])

    def unmark(self, held: tuple[int, int]) -> None:
        if self.lease is not None:
            self.lease.page.clear(held[1])

    def before_acks(self) -> None:
        self.connection.before_acks.flush()

    def remove(self, acked: list[tuple[int, int]]) -> int:
        """Remove acked messages; say how many were still ours."""
        with self.store.writing() as db:
            return messages.ack(db, acked)

    def give_back(self, held: list[tuple[int, int]]) -> None:
        with self.store.writing() as db:
            messages.give_back(db, held, redelivered=True)

    def hand_back(self, held: tuple[int, int]) -> None:
        """Make a rejected message ready again; a started one with its delivery counted, as a letter if too often."""
        owner, number = held
        rule, lease = self.connection.letter_rule, self.lease
        with self.store.writing() as db:
            queue = messages.queue_of(db, number)
            letter = None
            if lease is not None and number in lease.page:
                letter = messages.count_death(db, owner, number, rule, self.connection.clock.wall())
            else:
                messages.give_back(db, (held,), redelivered=True)
        if lease is not None:
            lease.page.clear(number)
        if letter is not None:
            emit("broker", "broker.poison", letter=letter)
        doorbell.ring(self.store.location.folder, {queue or rule.queue, rule.queue})

    def set_aside(self, fetched: Fetched, why: str) -> None:
        """Turn a message that cannot be read into a letter."""
        stored = fetched[1]
        rule = self.connection.letter_rule
        with self.store.writing(synced=True) as db:
            messages.set_aside(db, stored, rule, "malformed", why, self.connection.clock.wall())
        emit("broker", "broker.set_aside", queue=stored.queue, reason=why)
        doorbell.ring(self.store.location.folder, (rule.queue,))

    def close(self) -> None:
        """Cancel the consumers, write the acks, give back what is held."""
        if not self.closed:
            self._delivery.give_back_all()
            super().close()


def _seconds(milliseconds: object) -> float | None:
    return milliseconds / 1000 if isinstance(milliseconds, int | float) else None
