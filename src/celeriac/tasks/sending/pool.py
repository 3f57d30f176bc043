"""The producers of an app: each keeps its connection and channel, and is used by one thread at a time."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Collection
from types import FrameType
from typing import Any

from celery.canvas import group
from kombu.connection import ConnectionPool
from kombu.pools import ProducerPool

from celeriac.security import Guard
from celeriac.tasks.sending.delivering import Trouble
from celeriac.tasks.sending.producer import COLLECTING, Producer

#: who asks for a producer to send a group's tasks by, one after the other
_GROUP = group._apply_tasks.__code__
#: above `acquire` on the stack: Celery._acquire_producer, FallbackContext.__enter__, then who asks
_FRAMES_BETWEEN = 3

_pools: weakref.WeakSet[Producers] = weakref.WeakSet()
#: what a fork left in a child: closing an AMQP connection there would end it for the parent
_left_by_forks: list[Any] = []


class Producers(ProducerPool):
    """kombu's pool of producers, each with a connection of its own, which stays open while it waits for work.

    `limit` producers stand ready from the first, not connected yet; there are never more.
    A group's producer sends the group in batches: Celery sends its tasks one by one, by a producer that it asks for
    before the first and hands back after the last.
    """

    def __init__(
        self,
        connections: ConnectionPool,
        limit: int | None,
        deadline_s: float,
        trouble: Trouble,
        blocking: Collection[str],
        guard: Guard | None = None,
    ) -> None:
        self._guard = guard
        self._deadline_s = deadline_s
        self._trouble = trouble
        self._blocking = blocking
        super().__init__(connections, limit)
        _pools.add(self)

    def create_producer(self) -> Producer:
        # A new one, not one of a second pool: a producer that keeps its connection would never hand it back there.
        connection = self.connections.new()
        producer = Producer(connection, self._deadline_s, self._trouble, self._blocking, self._guard)
        producer.pool = self
        return producer

    def prepare(self, p: Any) -> Producer:
        return p() if callable(p) else p

    def _add_when_empty(self) -> None:
        # kombu adds one while fewer than `limit` are in use, which those that other threads just connect are not yet.
        raise self.LimitExceeded(self.limit)

    def acquire(self, block: bool = False, timeout: float | None = None) -> Producer:
        producer = self.take(block, timeout)
        if not producer.collects_here and _is_for_a_group(sys._getframe()):
            producer.begin_collecting()
        return producer

    def take(self, block: bool = False, timeout: float | None = None) -> Producer:
        """Give the producer that collects here, or one that sends at once.

        Raises: LimitExceeded.
        """
        collecting = COLLECTING.get()
        if collecting is not None and collecting.pool is self and collecting.collects_here:
            return collecting.joined()
        producer: Producer = super().acquire(block, timeout)
        return producer

    def release(self, resource: Any) -> None:
        if self.limit:
            self._dirty.discard(resource)
            self._resource.put_nowait(resource)
        else:
            resource.connection.release()

    def collect_resource(self, resource: Any) -> None:
        if isinstance(resource, Producer):
            resource.connection.collect(socket_timeout=0.1)

    def _leave_to_the_parent(self) -> None:
        _left_by_forks.extend((list(self._resource.queue), list(self._dirty)))
        self.connections = None  # nobody is to use this pool here
        self._closed = True

    @property
    def is_of_the_parent(self) -> bool:
        """Say whether a fork has left this pool behind."""
        return self.connections is None


def _is_for_a_group(frame: FrameType | None) -> bool:
    for _ in range(_FRAMES_BETWEEN):
        frame = frame.f_back if frame is not None else None
    return frame is not None and frame.f_code is _GROUP


def _after_fork_in_child() -> None:
    for pool in list(_pools):
        pool._leave_to_the_parent()


os.register_at_fork(after_in_child=_after_fork_in_child)
