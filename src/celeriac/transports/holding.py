"""Holding: what a channel has fetched and not yet settled, and how acks travel in company.

An ack is remembered first and written with the next step at the broker: within 10 ms or at the end of the turn when it
comes from the thread that delivers, at once or with the next turn of the loop when it comes from another. Until then
the message is still ours; if the broker cannot be reached, it is tried again. Results that are gathered are written
before the acks of their tasks.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

from kombu.transport import virtual

from celeriac.errors import BrokerUnavailable
from celeriac.events import emit

_ACK_COMPANY_S = 0.010


class Holding(virtual.QoS):
    """kombu's QoS over leases: delivery tags to what the channel calls a held message.

    Of its channel it asks `held_of(tag)`, `remove(acked) -> how many were still ours`, `hand_back(held)`,
    `give_back(held)`, `mark(held)`, `unmark(held)`, `before_acks()`, `is_in_turn()` and `wake()`.
    """

    def __init__(self, channel: Any, prefetch_count: int = 0) -> None:
        super().__init__(channel, prefetch_count)
        self._on_collect.cancel()  # leases bring messages back; nothing is restored by an exit hook
        self._held: dict[str, Any] = {}
        self._acked: deque[Any] = deque()
        self._written = time.monotonic()
        self._writing = threading.Lock()
        self._draining = threading.Lock()
        #: acks on their way to the broker, by the thread that writes them
        self._leaving: dict[int, list[Any]] = {}
        self.in_doubt = False

    # What kombu asks.

    def can_consume(self) -> bool:
        return not self.prefetch_count or len(self._held) < self.prefetch_count

    def can_consume_max_estimate(self) -> int | None:
        return max(self.prefetch_count - len(self._held), 0) if self.prefetch_count else None

    def append(self, message: Any, delivery_tag: str) -> None:
        self._held[delivery_tag] = self.channel.held_of(delivery_tag)

    def get(self, delivery_tag: str) -> Any:
        return self._held[delivery_tag]

    def ack(self, delivery_tag: str) -> None:
        held = self._held.get(delivery_tag)
        if held is None:
            return
        # At no moment is it in neither: what this channel does not know of is given back.
        self._acked.append(held)
        self._held.pop(delivery_tag, None)
        self.channel.unmark(held)
        in_turn = self.channel.is_in_turn()
        if in_turn:
            is_due = time.monotonic() - self._written > _ACK_COMPANY_S
        else:
            # A loop that is woken writes them all, with its next fetch: thousands of short tasks end in other threads,
            # and one of these may be an event loop, which must not wait for a server.
            is_due = not getattr(self.channel, "has_loop", False)
        if is_due:
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
            self.channel.give_back(held)
        return []

    def restore_unacked_once(self, stderr: Any = None) -> None:
        self.write_acks()
        self.restore_unacked()

    # What the channel asks.

    @property
    def unsettled(self) -> list[Any]:
        """What is held, and what is acked and not written yet."""
        leaving = [held for batch in tuple(self._leaving.values()) for held in batch]
        return [*self._held.values(), *self._acked, *leaving]

    def mark_started(self, delivery_tag: str) -> None:
        held = self._held.get(delivery_tag)
        if held is not None:
            self.channel.mark(held)

    def drain_acked(self) -> list[Any]:
        """Take the acks that wait to be written, with the results of their tasks written before.

        Raises: what writing the results does; then the acks still wait.
        """
        self._written = time.monotonic()
        acked = self._leaving[threading.get_ident()] = []
        with self._draining:
            while self._acked:
                acked.append(self._acked[0])
                self._acked.popleft()
        if acked:
            try:
                self.channel.before_acks()
            except BaseException:
                self.put_back(acked)
                raise
        return acked

    def put_back(self, acked: list[Any]) -> None:
        """Keep acks that were taken and could not be written."""
        if acked:
            with self._draining:
                self._acked.extendleft(reversed(acked))
            leaving = self._leaving.pop(threading.get_ident(), [])
            if len(leaving) > len(acked):
                self._leaving[threading.get_ident()] = [held for held in leaving if held not in acked]

    def write_acks(self) -> None:
        """Write the waiting acks; on trouble they stay for the next try."""
        if not self._acked:
            return
        with self._writing:
            try:
                acked = self.drain_acked()
            except Exception as error:
                # The task has run; it will be acked once its result can be kept.
                emit("broker", "broker.acks_wait", error=str(error))
                return
            if not acked:
                return
            try:
                removed = self.channel.remove(acked)
            except BrokerUnavailable as error:
                self.put_back(acked)
                self.in_doubt = True
                emit("broker", "broker.trouble", error=error.message)
                return
        self.tell_refused(len(acked) - removed)

    def tell_refused(self, count: int) -> None:
        """Say how many acks came too late; after a write without an answer they may just have been written before."""
        self._leaving.pop(threading.get_ident(), None)
        if self.in_doubt:
            self.in_doubt = False
            return
        for _ in range(count):
            emit("broker", "broker.ack_refused")
