"""Where things lie on the server; docs/design/0004-redis-transport.md has the table."""

from __future__ import annotations

from collections.abc import Sequence

#: between a queue's name and a priority, in kombu's own layout
SEPARATOR = "\x06\x16"
PRIORITIES = tuple(range(10))
#: keys that `Keys.of_queue` gives beside the lists
BESIDE_LISTS = 6


class Keys:
    """The names of keys.

    prefix: before all of them, kombu's `global_keyprefix`.
    """

    def __init__(self, prefix: str = "", separator: str = SEPARATOR) -> None:
        self._prefix = prefix
        self._separator = separator
        self.queues = f"{prefix}celeriac:queues"

    def ready(self, queue: str, priority: int) -> str:
        """Name the list of ready messages; the one of priority 0 is called as the queue is."""
        return f"{self._prefix}{queue}{self._separator}{priority}" if priority else f"{self._prefix}{queue}"

    def lists(self, queue: str) -> list[str]:
        """Name all lists of a queue, by priority from 0 to 9."""
        return [self.ready(queue, priority) for priority in PRIORITIES]

    def delayed(self, queue: str) -> str:
        return self._of(queue, "delayed")

    def leases(self, queue: str) -> str:
        return self._of(queue, "leases")

    def held(self, queue: str, consumer: str) -> str:
        return self._of(queue, f"held:{consumer}")

    def started(self, queue: str, consumer: str) -> str:
        return self._of(queue, f"started:{consumer}")

    def returned(self, queue: str) -> str:
        return self._of(queue, "returned")

    def number(self, queue: str) -> str:
        return self._of(queue, "number")

    def of_queue(self, queue: str, consumer: str) -> Sequence[str]:
        """Name the keys that the scripts are given of a queue: ten lists, then six more, in the order they expect."""
        return (
            *self.lists(queue),
            self.delayed(queue),
            self.leases(queue),
            self.held(queue, consumer),
            self.started(queue, consumer),
            self.returned(queue),
            self.number(queue),
        )

    def once(self, key: str) -> str:
        return f"{self._prefix}celeriac:once:{key}"

    def sender(self, sender: str) -> str:
        return f"{self._prefix}celeriac:sender:{sender}"

    def consumer(self, consumer: str) -> str:
        return f"{self._prefix}celeriac:consumer:{consumer}"

    def _of(self, queue: str, what: str) -> str:
        return f"{self._prefix}celeriac:{{{queue}}}:{what}"
