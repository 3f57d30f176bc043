"""The kombu channel of the embedded broker: what it reads, and its place in a turn of the loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from celeriac.transports.holding import Holding
from celeriac.transports.payload import MalformedEnvelope
from celeriac.transports.sqlite import messages
from celeriac.transports.sqlite.delivery import Delivery
from celeriac.transports.sqlite.envelope import Stored, to_payload
from celeriac.transports.sqlite.settling import SettlingChannel


class Channel(SettlingChannel):
    """One channel; channels of a connection share its file and its lease.

    Beyond AMQP it has `mark_started(delivery_tag)`: this message is being run now (see docs/design/0001); and
    `settles_anywhere`: any thread may ack and reject, at any time.
    """

    settles_anywhere = True
    QoS = Holding

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        super().__init__(connection, **kwargs)
        self._delivery = Delivery(self, connection.clock)
        self._unacked_only: set[str] = set()

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

    def close(self) -> None:
        """Cancel the consumers, write the acks, give back what is held."""
        if not self.closed:
            self._delivery.give_back_all()
            super().close()
