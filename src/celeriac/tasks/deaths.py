"""How often a message has killed what ran it."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any

#: tasks remembered at once; the oldest are forgotten first
_REMEMBERED = 10_000


def reported_deliveries(message: Any) -> int:
    """Read from a message how many of its deliveries ended without an outcome; 0 where the broker does not count.

    The embedded broker says so in `delivery_info["deliveries"]`, a RabbitMQ quorum queue in `x-delivery-count`.
    """
    for where, name in (
        (message.delivery_info, "deliveries"),
        (message.headers, "x-delivery-count"),
    ):
        count = where.get(name) if where else None
        if type(count) is int and count > 0:
            return count
    return 0


class DeathCount:
    """The deaths that this worker has seen, for brokers that do not count deliveries.

    There every worker counts for itself, so that a task runs at most `letters.after` times on each of them.
    """

    def __init__(self) -> None:
        self._deaths: OrderedDict[str, int] = OrderedDict()
        self._lock = Lock()

    def add(self, task_id: str, reported: int) -> int:
        """Count one more death of a task.

        reported: what the broker says of earlier ones.
        Returns: all deaths so far, this one included.
        """
        with self._lock:
            deaths = max(self._deaths.pop(task_id, 0), reported) + 1
            self._deaths[task_id] = deaths
            if len(self._deaths) > _REMEMBERED:
                self._deaths.popitem(last=False)
            return deaths

    def forget(self, task_id: str) -> None:
        """Forget a task that has ended."""
        if self._deaths:
            with self._lock:
                self._deaths.pop(task_id, None)


DEATHS = DeathCount()
