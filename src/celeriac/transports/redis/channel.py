"""The kombu channel of the Redis broker: what it reads, and its place in a turn of the loop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from kombu.transport import redis as stock

from celeriac.errors import BrokerUnavailable
from celeriac.events import emit
from celeriac.stores.redis_sentinels import asked_once
from celeriac.transports.holding import Holding
from celeriac.transports.payload import MalformedEnvelope
from celeriac.transports.redis.ear import Ear
from celeriac.transports.redis.settling import SettlingChannel

#: how often queues that expire are kept from expiring, seconds
_REFRESH_S = 2.0


class LeasingChannel(SettlingChannel):
    """What our channels have in common; they differ in how they find the server.

    Beyond AMQP they have `mark_started(delivery_tag)`: this message is being run now (see docs/design/0001);
    `settles_anywhere`: any thread may ack and reject, at any time; `keeps_once`: the header `celeriac-once` is kept.
    """

    settles_anywhere = True
    keeps_once = True
    QoS = Holding

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unacked_only: set[str] = set()
        self._refreshed_at = 0.0
        self.ear = Ear(self)

    def basic_consume(
        self, queue: str, no_ack: bool, callback: Callable[..., Any], consumer_tag: str, **kwargs: Any
    ) -> None:
        super().basic_consume(queue, no_ack, callback, consumer_tag, **kwargs)
        if queue in self.active_fanout_queues:
            self.connection.take_lease(self).hear(queue)
            self.ear.listen()
            return
        if no_ack:
            self._unacked_only.add(queue)
        self.connection.take_lease(self).read(queue)
        self._delivery.look()

    def basic_cancel(self, consumer_tag: str) -> None:
        queue = self._tag_to_queue.get(consumer_tag)
        is_fanout = queue in self.active_fanout_queues
        self._basic_cancel(consumer_tag)
        if queue is None or queue in self._active_queues:
            return
        if not is_fanout:
            self._delivery.give_back_all()
            self.qos.write_acks()
            self._unacked_only.discard(queue)
            # What still runs stays ours until it is settled, or the channel closes.
            is_done = not (self.connection.is_read(queue) or self._holds_of(queue))
            if self.lease is not None and is_done:
                self.lease.stop_reading(queue)
        if queue in self.auto_delete_queues:
            self.queue_delete(queue)

    def _holds_of(self, queue: str) -> bool:
        return any(held.queue == queue for held in self.unsettled())

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:
        lease = self.connection.take_lease(self)
        if not no_ack:
            lease.read(queue)
        while fetched := self._delivery.fetch([] if no_ack else [queue], [queue] if no_ack else [], 1):
            try:
                payload = self._delivery._payload(fetched[0])
            except MalformedEnvelope as malformed:
                self.set_aside(fetched[0], str(malformed))
                continue
            if payload is None:
                continue
            message = self.Message(payload, channel=self)
            if not no_ack:
                self.qos.append(message, message.delivery_tag)
            return message
        return None

    # Settling for consumers of other processes.

    @property
    def consumer_id(self) -> str:
        """Name this process's consumer to whoever may have to settle for it; "" before it consumes."""
        return self.lease.consumer if self.lease is not None else ""

    def guard(self) -> None:
        """Nothing: until its lease lapses, nobody settles what our consumer leaves, but who knows that it is dead."""

    def inherit(self, consumer: str, running: str) -> tuple[Any, list[Any]]:
        """Give what a dead consumer held; it stays under that consumer's lease, until `bury` ends it.

        running: the delivery tag of what it was running; "" if nothing.
        Returns: messages of this channel, to be acked or rejected here: the one that was running, None if it is
            settled, and the others, oldest first.
        Raises: BrokerUnavailable, BrokerError.
        """
        self.connection.take_lease(self)
        ran, others = None, []
        for queue in self._queues_of(consumer):
            for fetched in self._delivery.of_other(queue, consumer):
                try:
                    payload = self._delivery._payload(fetched)
                except MalformedEnvelope as malformed:
                    self.set_aside(fetched, str(malformed))
                    continue
                if payload is not None:
                    message = self.Message(payload, channel=self)
                    self.qos.append(message, message.delivery_tag)
                    if message.delivery_tag == running:
                        ran = message
                    else:
                        others.append(message)
        return ran, others

    def bury(self, consumer: str) -> None:
        """End the lease of a dead consumer; what it still holds goes back, uncounted."""
        self.connection.take_lease(self).end_other(consumer, self._queues_of(consumer))

    def _queues_of(self, consumer: str) -> list[str]:
        said = self._sending_line.call("HGET", self.keys.consumer(consumer), "queues")
        return said.decode().split("\n") if said else []

    def reads(self) -> tuple[list[str], list[str]]:
        """Name the queues read with acks, in order of preference, and those read without."""
        queues = self.active_queues
        return (
            [queue for queue in queues if queue not in self._unacked_only],
            [queue for queue in queues if queue in self._unacked_only],
        )

    def is_unacked_only(self) -> bool:
        return bool(self._unacked_only) and self._unacked_only.issuperset(self.active_queues)

    def hear(self) -> int:
        """Deliver what was said to everybody; say how many messages."""
        return self.ear.hear() if self.active_fanout_queues else 0

    def deliver(self) -> int:
        """Deliver what can be delivered now of the queues; say how many messages."""
        if any(queue not in self.active_fanout_queues for queue in self._active_queues):
            return self._delivery.turn()
        return 0

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
            self.lease.waker.ring()

    @property
    def next_due(self) -> float | None:
        return self._delivery.next_due

    @property
    def look_every_s(self) -> float:
        return self._delivery.look_every_s

    def tend(self) -> None:
        """What the keeper's thread does for this channel, four times a second."""
        self._delivery.give_back_hoard()
        if self._qos is not None:
            self._qos.write_acks()
        if time.monotonic() - self._refreshed_at > _REFRESH_S:
            self._refreshed_at = time.monotonic()
            self._stay()

    def _stay(self) -> None:
        """Keep queues that are deleted when nobody uses them."""
        for queue in self.active_queues:
            if queue in self._expires:
                self._sending_line.call_all(
                    [("PEXPIRE", each, self._expires[queue]) for each in self.keys.lists(queue)]
                )
        self.maybe_refresh_binding_expiry()

    def message_ttl_s(self, queue: str) -> float | None:
        return self._ttls_s.get(queue)

    def close(self) -> None:
        """Cancel the consumers, write the acks, give back what is held."""
        if not self.closed:
            try:
                self._delivery.give_back_all()
                for consumer in list(self._consumers):
                    self.basic_cancel(consumer)
                if self._qos is not None:
                    self._qos.restore_unacked_once()
            except BrokerUnavailable as error:
                # The lease ends by itself, and others find what was held by that.
                emit("broker", "broker.trouble", error=error.message)
            self.ear.close()
            self._sending_line.hang_up()
            super().close()


class Channel(LeasingChannel):
    """A channel to one server: redis://, rediss://, redis+socket://."""


class SentinelChannel(LeasingChannel, stock.SentinelChannel):
    """A channel to the server that the Sentinels name as master: sentinel://."""

    def _sentinel_managed_pool(self, asynchronous: bool = False) -> Any:
        self.sentinel_kwargs = asked_once(getattr(self, "sentinel_kwargs", None))
        return super()._sentinel_managed_pool(asynchronous)
