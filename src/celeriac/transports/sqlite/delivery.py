"""Delivery: batches fetched under the lease and handed to the consumer one by one.

How much is fetched adapts: a batch that lasted under 25 ms doubles the next, one that lasted over 50 ms halves it, so
that what waits in this process is a moment's work. What waits longer than 100 ms behind a slow task is given back.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from celeriac.clock import Clock
from celeriac.errors import BrokerUnavailable
from celeriac.events import emit
from celeriac.transports.sqlite import doorbell, messages
from celeriac.transports.sqlite.envelope import MalformedEnvelope, Stored, to_payload

if TYPE_CHECKING:
    from celeriac.transports.sqlite.channel import Channel

_BATCH_MAX = 256
_QUICK_S, _SLOW_S, _HOARD_S = 0.025, 0.050, 0.100
#: how long one turn may deliver before the loop gets to its other work, seconds
_TURN_S = 0.020
#: how often the queues are looked at although nobody rang, seconds
_LOOK_EVERY_S = 1.0


class Delivery:
    """One channel's way from ready messages to its consumers' callbacks."""

    def __init__(self, channel: Channel, clock: Clock) -> None:
        self._channel = channel
        self._clock = clock
        self._waiting: deque[tuple[int, Stored]] = deque()
        self._batch = 1
        self._fetched_at = 0.0
        self._looked_at = 0.0
        self._should_look = True
        self._thread: int | None = None
        self.next_due: float | None = None

    def look(self) -> None:
        """Look at the queues in the next turn: somebody rang, or there may be more."""
        self._should_look = True

    @property
    def is_running(self) -> bool:
        """Say whether the calling thread is inside a turn of ours."""
        return self._thread == threading.get_ident()

    def turn(self) -> int:
        """Deliver what can be delivered now, for about 20 ms at most; say how many messages."""
        if self.is_running:
            return 0
        channel, started, delivered = self._channel, time.monotonic(), 0
        self._thread = threading.get_ident()
        try:
            while channel.qos.can_consume() or channel.is_unacked_only():
                if not self._waiting and not self._refill():
                    break
                try:
                    owner, stored = self._waiting.popleft()
                except IndexError:
                    continue  # the keeper gave it back meanwhile
                self._deliver(owner, stored)
                delivered += 1
                if time.monotonic() - started > _TURN_S:
                    channel.wake()
                    break
        finally:
            self._thread = None
            channel.qos.write_acks()
        return delivered

    def _deliver(self, owner: int, stored: Stored) -> None:
        try:
            payload = to_payload(stored, f"{owner}-{stored.id}")
        except MalformedEnvelope as malformed:
            self._channel.set_aside(stored, str(malformed))
            return
        callback = self._channel.connection._callbacks.get(stored.queue)
        if callback is None:  # cancelled between fetch and delivery
            self._give_back([(owner, stored)])
        else:
            callback(payload)

    def _refill(self) -> bool:
        """Fetch the next batch, writing the acks of the last one with it; False if there is nothing."""
        now = time.monotonic()
        wall = self._clock.wall()
        is_due = self.next_due is not None and self.next_due <= wall
        if not (self._should_look or is_due or now - self._looked_at >= _LOOK_EVERY_S):
            return False
        self._looked_at = now
        try:
            return self._look_and_fetch(now, wall)
        except BrokerUnavailable as error:
            emit("broker", "broker.trouble", error=error.message)
            self._should_look = False
            return False

    def _look_and_fetch(self, now: float, wall: float) -> bool:
        channel = self._channel
        acking, unacked_only = channel.reads()
        with channel.store.reading() as db:
            # Cleared before looking: a ring that comes while we look is not lost.
            self._should_look = False
            if not messages.any_ready(db, acking + unacked_only, wall):
                self.next_due = messages.next_due(db, acking + unacked_only)
                return False
        self._adapt(now)
        found = self._fetch(acking, unacked_only, wall)
        self._should_look = bool(found)
        self._fetched_at = time.monotonic()
        return bool(found)

    def _fetch(self, acking: list[str], unacked_only: list[str], wall: float) -> bool:
        channel, lease = self._channel, self._channel.lease
        assert lease is not None  # basic_consume took it
        acked = channel.qos.drain_acked()
        number = lease.number
        room = channel.qos.can_consume_max_estimate()
        try:
            with channel.store.writing() as db:
                removed = messages.ack(db, acked)
                messages.ripen(db, wall)
                taken = messages.take(db, unacked_only, _BATCH_MAX, wall) if unacked_only else []
                fetched: list[Stored] = []
                is_ours = messages.lease_holds(db, number)
                if is_ours and room != 0 and acking:
                    fetched = messages.fetch(db, number, acking, max(self._batch, room or _BATCH_MAX), wall)
        except BaseException:
            channel.qos.put_back(acked)
            raise
        channel.qos.tell_refused(len(acked) - removed)
        self._waiting.extend((0, stored) for stored in taken)
        self._waiting.extend((number, stored) for stored in fetched)
        if not is_ours:
            lease.lapsed(number)
        return bool(taken or fetched)

    def _adapt(self, now: float) -> None:
        lasted_s = now - self._fetched_at
        if lasted_s < _QUICK_S:
            self._batch = min(self._batch * 2, _BATCH_MAX)
        elif lasted_s > _SLOW_S:
            self._batch = max(self._batch // 2, 1)

    def give_back_hoard(self) -> None:
        """Give back what has waited too long behind a slow task; called by the keeper's thread."""
        if self._waiting and time.monotonic() - self._fetched_at > _HOARD_S:
            self._batch = 1
            self.give_back_all()

    def give_back_all(self) -> None:
        """Give back what was fetched and not delivered."""
        waiting = []
        while self._waiting:
            try:
                waiting.append(self._waiting.popleft())
            except IndexError:
                break
        self._give_back(waiting)

    def _give_back(self, waiting: list[tuple[int, Stored]]) -> None:
        held = [(owner, stored) for owner, stored in waiting if owner]
        self._waiting.extendleft((owner, stored) for owner, stored in reversed(waiting) if not owner)
        if not held:
            return
        try:
            with self._channel.store.writing() as db:
                messages.give_back(db, ((owner, stored.id) for owner, stored in held), redelivered=False)
        except BrokerUnavailable:
            self._waiting.extendleft(reversed(held))
            raise
        self._should_look = True
        doorbell.ring(self._channel.store.location.folder, {stored.queue for _, stored in held})
