"""The tally: what this process counts into its book, whatever thread or fork it is in."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from weakref import WeakSet

from celeriac.events import emit
from celeriac.observe.metrics.names import Family
from celeriac.observe.samples import Book

#: task names a process counts by themselves though its app does not define them; a sender by name knows no more
UNDEFINED_NAMES_MAX = 100
_NAME_CHARS = 200
OTHER = "other"


class Tally:
    """Counts of this process; its book is opened by the first count, and anew in a forked child.

    folder: of all books of this host.
    A folder that cannot be written is said once, and nothing is counted: no task fails for a metric.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._undefined: set[str] = set()
        self.begin_anew()
        _TALLIES.add(self)

    def begin_anew(self) -> None:
        """Forget the book without touching it: after a fork it is the parent's."""
        self._book: Book | None = None
        self._is_broken = False
        self._lock = threading.Lock()

    @property
    def book(self) -> Book | None:
        """The book of this process, None if there can be none."""
        if self._book is None and not self._is_broken:
            with self._lock:
                if self._book is None and not self._is_broken:
                    self._open()
        return self._book

    def _open(self) -> None:
        try:
            self._book = Book(self.folder)
        except OSError as error:
            self._is_broken = True
            emit("observe", "metrics.uncounted", folder=self.folder, error=error)

    def count(self, family: Family, *labels: str) -> None:
        """Count one."""
        book = self.book
        if book is not None:
            book.add((family.name, *labels))

    def observe(self, family: Family, value: float, *labels: str) -> None:
        """Count a value in its histogram."""
        book = self.book
        if book is not None:
            book.observe((family.name, *labels), value, family.buckets)

    def bounded(self, name: str, *, is_defined: bool) -> str:
        """Give the label for a task name: itself, or "other" for one too many that nobody here defines."""
        if is_defined or name in self._undefined:
            return name
        if len(self._undefined) >= UNDEFINED_NAMES_MAX or len(name) > _NAME_CHARS or not name.isprintable():
            return OTHER
        self._undefined.add(name)
        return name


_TALLIES: WeakSet[Tally] = WeakSet()


def _begin_anew() -> None:
    for tally in tuple(_TALLIES):
        tally.begin_anew()


os.register_at_fork(after_in_child=_begin_anew)
