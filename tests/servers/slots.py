"""Watching how many slots the workers of a project have, from outside, by their heartbeat files."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from celeriac_probe import pulse

LOOK_EVERY_S = 0.2


class Change(NamedTuple):
    """at: seconds since the watch began; slots: by worker, of those that live."""

    at: float
    slots: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.slots.values())


class SlotWatch:
    """While the block runs, what the workers have, noted whenever it changes; `changes` grows meanwhile."""

    def __init__(self, folder: Path, pool: str) -> None:
        """folder: of the project."""
        self._folder = str(folder / ".celeriac" / "workers")
        self._pool = pool
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.began = time.time()
        self.changes: list[Change] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.set()
        self._thread.join()

    @property
    def now(self) -> Change:
        return self.changes[-1]

    @property
    def most(self) -> Change:
        return max(self.changes, key=lambda each: each.total)

    def _look(self) -> None:
        while not self._ends.wait(LOOK_EVERY_S):
            found = pulse.read_all(self._folder)
            alive = {it.name.partition("@")[0]: it.slots for it in found if it.alive}
            slots = {name: many for name, many in alive.items() if name.startswith(f"{self._pool}-")}
            if not self.changes or slots != self.changes[-1].slots:
                self.changes.append(Change(round(time.time() - self.began, 1), slots))
