"""The page of a slot: what its process runs at this moment, in memory shared with the parent.

Written by the slot alone, but for the two orders, which are the parent's. A number goes up before and after each
change, so a reader knows what it may believe. The kernel keeps the page when the slot is killed.
"""

from __future__ import annotations

import mmap
import struct
import time
from collections.abc import Sequence
from typing import NamedTuple

_NUMBER = struct.Struct("<Q")
_MOMENT = struct.Struct("<d")
#: number of change; since when, both clocks; soft and hard limit (0: none); task id, name, delivery tag
_RUN = struct.Struct("<Qdddd256s256s512s")
#: the run that is to be ended softly, the run that is to be ended
_SOFT_AT, _HARD_AT = _RUN.size, _RUN.size + _NUMBER.size
_CONSUMER = struct.Struct("<Q64s")
_CONSUMER_AT = _HARD_AT + _NUMBER.size
_COUNTS_AT = _CONSUMER_AT + _CONSUMER.size


class Run(NamedTuple):
    """One run of a task.

    number: which run of this slot it is; unique for the page. since: time.monotonic(), which all processes share.
    soft_s, hard_s: its limits, 0 for none. tag: the delivery tag of its message.
    """

    number: int
    since: float
    began: float
    soft_s: float
    hard_s: float
    task_id: str
    name: str
    tag: str


class Page:
    """The page of one slot, made by the parent before it forks.

    names: of the tasks, each with a counter of its own that outlives the slot's process.
    """

    def __init__(self, names: Sequence[str]) -> None:
        counted = ("", *names)  # the first for tasks that were registered later
        self._map = mmap.mmap(-1, _COUNTS_AT + _NUMBER.size * len(counted))
        self._places = {name: _COUNTS_AT + _NUMBER.size * place for place, name in enumerate(counted)}
        self._number = 0
        self._counts = dict.fromkeys(counted, 0)

    # The slot's side.

    def begin(self, task_id: str, name: str, tag: str, soft_s: float, hard_s: float) -> int:
        """Say that a task runs from now on; give the number of the run."""
        number = self._number = self._number + 2
        _NUMBER.pack_into(self._map, 0, number - 1)
        now = time.monotonic()
        _RUN.pack_into(
            self._map,
            0,
            number - 1,
            now,
            time.time(),
            soft_s,
            hard_s,
            task_id.encode(errors="replace")[:256],
            name.encode(errors="replace")[:256],
            tag.encode(errors="replace")[:512],
        )
        _NUMBER.pack_into(self._map, 0, number)
        counted = name if name in self._places else ""
        count = self._counts[counted] = self._counts[counted] + 1
        _NUMBER.pack_into(self._map, self._places[counted], count)
        return number

    def end(self) -> None:
        """Say that nothing runs now."""
        _MOMENT.pack_into(self._map, _NUMBER.size, 0.0)

    def introduce(self, consumer: str) -> None:
        """Say under which name the slot consumes."""
        number = _CONSUMER.unpack_from(self._map, _CONSUMER_AT)[0]
        _CONSUMER.pack_into(self._map, _CONSUMER_AT, number + 1, consumer.encode())

    def is_to_end(self, number: int, *, softly: bool) -> bool:
        """Say whether the parent wants this run ended."""
        return bool(_NUMBER.unpack_from(self._map, _SOFT_AT if softly else _HARD_AT)[0] == number)

    def begin_anew(self) -> None:
        """Be the page of a new process in the same slot; what was counted stays."""
        self._number = (_NUMBER.unpack_from(self._map, 0)[0] // 2 + 1) * 2
        _CONSUMER.pack_into(self._map, _CONSUMER_AT, 0, b"")
        self._counts = self.counts()
        self.end()

    # The parent's side.

    def run(self) -> Run | None:
        """Read what runs; None if nothing does, or it changes this very moment."""
        for _ in range(3):
            number, since, began, soft_s, hard_s, task_id, name, tag = _RUN.unpack_from(self._map, 0)
            if number % 2 == 0 and _NUMBER.unpack_from(self._map, 0)[0] == number:
                if not since:
                    return None
                return Run(number, since, began, soft_s, hard_s, _text(task_id), _text(name), _text(tag))
        return None

    def order_end(self, number: int, *, softly: bool) -> None:
        """Want this run ended; its process acts on it when it gets the signal."""
        _NUMBER.pack_into(self._map, _SOFT_AT if softly else _HARD_AT, number)

    def consumer(self) -> str:
        """Read under which name the slot consumes; "" if it does not yet."""
        return _text(_CONSUMER.unpack_from(self._map, _CONSUMER_AT)[1])

    def counts(self) -> dict[str, int]:
        """Read how often each task was begun here."""
        return {name: _NUMBER.unpack_from(self._map, place)[0] for name, place in self._places.items()}

    def close(self) -> None:
        self._map.close()


def _text(padded: bytes) -> str:
    return padded.rstrip(b"\0").decode(errors="replace")
