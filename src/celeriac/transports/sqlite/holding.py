"""Holding: what a channel has fetched and not yet settled, and how acks travel in company.

An ack is remembered first and written with the next transaction: at once when it comes from another thread,
within 2 ms or at the end of the turn when it comes from the thread that delivers. Until it is written
the message is still ours; if the file cannot be written, it is tried again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from kombu.transport import virtual

from celeriac.errors import BrokerUnavailable
from celeriac.events import emit
from celeriac.transports.sqlite import messages

if TYPE_CHECKING:
    from celeriac.transports.sqlite.channel import Channel

_ACK_COMPANY_S = 0.002


class Holding(virtual.QoS):
    """kombu's QoS over leases: delivery tags to (consumer number, message number)."""

    def __init__(self, channel: Channel, prefetch_count: int = 0) -> None:
        super().__init__(channel, prefetch_count)
        self._on_collect.cancel()  # leases bring messages back; nothing is restored by an exit hook
        self._held: dict[str, tuple[int, int]] = {}
        self._acked: deque[tuple[int, int]] = deque()
        self._written = time.monotonic()
        self._writing = threading.Lock()

    # What kombu asks.

    def can_consume(self) -> bool:
        return not self.prefetch_count or len(self._held) < self.prefetch_count

    def can_consume_max_estimate(self) -> int | None:
        return max(self.prefetch_count - len(self._held), 0) if self.prefetch_count else None

    def append(self, message: Any, delivery_tag: str) -> None:
        owner, number = delivery_tag.split("-")
        self._held[delivery_tag] = (int(owner), int(number))

    def get(self, delivery_tag: str) -> Any:
        return self._held[delivery_tag]

    def ack(self, delivery_tag: str) -> None:
        held = self._held.pop(delivery_tag, None)
        if held is None:
            return
        self._acked.append(held)
        self._forget_start(held[1])
        in_turn = self.channel.is_in_turn()
        if not in_turn or time.monotonic() - self._written > _ACK_COMPANY_S:
            self.write_acks()
        if not in_turn:
            self.channel.wake()

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        if not requeue:
            self.ack(delivery_tag)
            return
        held = self._held.pop(delivery_tag, None)
        if held is None:
            return
        self.channel.hand_back(held)
        self.channel.wake()

    def restore_unacked(self) -> list[Any]:
        """Give everything back, uncounted, in its old place."""
        held = [self._held.pop(tag) for tag in list(self._held)]
        if held:
            with self.channel.store.writing() as db:
                messages.give_back(db, held, redelivered=True)
        return []

    def restore_unacked_once(self, stderr: Any = None) -> None:
        self.write_acks()
        self.restore_unacked()

    # What the channel asks.

    def mark_started(self, delivery_tag: str) -> None:
        held = self._held.get(delivery_tag)
        lease = self.channel.lease
        if held is not None and lease is not None and held[0] == lease.number:
            lease.page.mark(held[1])

    def _forget_start(self, number: int) -> None:
        if self.channel.lease is not None:
            self.channel.lease.page.clear(number)

    def drain_acked(self) -> list[tuple[int, int]]:
        """Take the acks that wait to be written."""
        self._written = time.monotonic()
        return [self._acked.popleft() for _ in range(len(self._acked))]

    def put_back(self, acked: list[tuple[int, int]]) -> None:
        self._acked.extendleft(reversed(acked))

    def write_acks(self) -> None:
        """Write the waiting acks; on trouble they stay for the next try."""
        with self._writing:
            acked = self.drain_acked()
            if not acked:
                return
            try:
                with self.channel.store.writing() as db:
                    removed = messages.ack(db, acked)
            except BrokerUnavailable as error:
                self.put_back(acked)
                emit("broker", "broker.trouble", error=error.message)
                return
        self.tell_refused(len(acked) - removed)

    @staticmethod
    def tell_refused(count: int) -> None:
        for _ in range(count):
            emit("broker", "broker.ack_refused")
