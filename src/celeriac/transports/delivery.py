"""Delivery: batches fetched under the lease and handed to the consumer one by one.

How much is fetched adapts: a batch that lasted under 25 ms doubles the next, one that lasted over 50 ms halves it, so
that what waits in this process is a moment's work. What waits longer than 100 ms behind a slow task is given back.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from celeriac.clock import Clock
from celeriac.errors import BrokerUnavailable
from celeriac.events import emit
from celeriac.transports.payload import MalformedEnvelope

#: messages fetched at once, at most
BATCH_MAX = 256
_QUICK_S, _SLOW_S, _HOARD_S = 0.025, 0.050, 0.100
#: how long one turn may deliver before the loop gets to its other work, seconds
_TURN_S = 0.020
#: how often the queues are looked at although nobody rang, seconds
LOOK_EVERY_S = 1.0

Item = TypeVar("Item")


class Delivery(ABC, Generic[Item]):
    """One channel's way from ready messages to its consumers' callbacks; what it fetches is said by a transport."""

    def __init__(self, channel: Any, clock: Clock) -> None:
        self._channel = channel
        self._clock = clock
        self._waiting: deque[Item] = deque()
        self._batch = 1
        self._fetched_at = 0.0
        self._is_judged = True
        self._looked_at = 0.0
        self._should_look = True
        self._thread: int | None = None
        self.next_due: float | None = None

    # What a transport says.

    @abstractmethod
    def _find(self, wall: float) -> Sequence[Item]:
        """Fetch up to `_room()` messages, writing the acks that wait; sets `next_due` where it finds none.

        Raises: BrokerUnavailable.
        """

    @abstractmethod
    def _payload(self, item: Item) -> dict[str, Any] | None:
        """Give the payload that kombu's Message is made of; None if it was dealt with and is not to be delivered.

        Raises: MalformedEnvelope.
        """

    @abstractmethod
    def _queue(self, item: Item) -> str: ...

    @abstractmethod
    def _is_held(self, item: Item) -> bool:
        """Say whether it can be given back; what is read without acks cannot."""

    @abstractmethod
    def _return(self, items: Sequence[Item]) -> None:
        """Make messages ready again. Raises: BrokerUnavailable; then they are still ours."""

    # What the channel asks.

    @property
    def waiting(self) -> Sequence[Item]:
        """What was fetched and not delivered yet."""
        return tuple(self._waiting)

    @property
    def look_every_s(self) -> float:
        return LOOK_EVERY_S

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
                    item = self._waiting.popleft()
                except IndexError:
                    continue  # the keeper gave it back meanwhile
                self._deliver(item)
                delivered += 1
                if time.monotonic() - started > _TURN_S:
                    channel.wake()
                    break
        finally:
            self._thread = None
            channel.qos.write_acks()
        return delivered

    def _deliver(self, item: Item) -> None:
        try:
            payload = self._payload(item)
        except MalformedEnvelope as malformed:
            self._channel.set_aside(item, str(malformed))
            return
        if payload is None:
            return
        callback = self._channel.connection._callbacks.get(self._queue(item))
        if callback is None:  # cancelled between fetch and delivery
            self._give_back([item])
        else:
            callback(payload)

    def _refill(self) -> bool:
        """Fetch the next batch, writing the acks of the last one with it; False if there is nothing."""
        now, wall = time.monotonic(), self._clock.wall()
        is_due = self.next_due is not None and self.next_due <= wall
        if not (self._should_look or is_due or now - self._looked_at >= self.look_every_s):
            return False
        self._looked_at = now
        # Cleared before looking: a ring that comes while we look is not lost.
        self._should_look = False
        if not self._is_judged:
            self._adapt(now)
        try:
            found = self._find(wall)
        except BrokerUnavailable as error:
            emit("broker", "broker.trouble", error=error.message)
            return False
        self._waiting.extend(found)
        if found:
            self._should_look = True
            self._fetched_at, self._is_judged = time.monotonic(), False
        return bool(found)

    def _room(self) -> int:
        """Say how many messages to fetch; 0 if the consumers have no room for more."""
        room: int | None = self._channel.qos.can_consume_max_estimate()
        return 0 if room == 0 else max(self._batch, room or BATCH_MAX)

    def _adapt(self, now: float) -> None:
        self._is_judged = True
        lasted_s = now - self._fetched_at
        if lasted_s < _QUICK_S:
            self._batch = min(self._batch * 2, BATCH_MAX)
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

    def _give_back(self, waiting: list[Item]) -> None:
        held = [item for item in waiting if self._is_held(item)]
        self._waiting.extendleft(item for item in reversed(waiting) if not self._is_held(item))
        if not held:
            return
        try:
            self._return(held)
        except BrokerUnavailable:
            self._waiting.extendleft(reversed(held))
            raise
        self._should_look = True
