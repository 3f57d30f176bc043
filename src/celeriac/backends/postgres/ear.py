"""One connection of a process that listens for outcomes, while anybody waits for some."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from celeriac.backends.postgres.database import Database
from celeriac.backends.postgres.rows import CHANNEL, mark_of
from celeriac.errors import ResultsError

#: how often who waits looks although nobody rang: the connection may be lost, and nothing said while it was away
_LOOK_ANYWAY_S = 1.0
#: how often who waits sees to what his caller asked for meanwhile
_PAUSE_S = 0.25
#: how long the connection is kept after the last wait
_LINGER_S = 10.0
_AGAIN_S = 0.5


class Rung:
    """What one waiter is told; a `celeriac.backends.looking.Watch`."""

    def __init__(self) -> None:
        self._bell = threading.Event()
        self._bell.set()
        self._look_by = 0.0

    def ring(self) -> None:
        self._bell.set()

    def has_news(self) -> bool:
        """Say whether an outcome was announced, or it is time to look anyway."""
        now = time.monotonic()
        if not (self._bell.is_set() or now >= self._look_by):
            return False
        # Cleared before the look: what is announced during it is looked for again.
        self._bell.clear()
        self._look_by = now + _LOOK_ANYWAY_S
        return True

    def pause(self, waited_s: float, look_s: float, at_most_s: float) -> None:
        """Wait for an announcement."""
        self._bell.wait(min(at_most_s, _PAUSE_S))


class Ear:
    """Rings those whose tasks are announced; deaf while the server is away, when they look for themselves."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._waiting: dict[str, set[Rung]] = {}
        self._last_wait = 0.0
        self._listener: threading.Thread | None = None

    @contextmanager
    def watching(self, task_ids: Iterable[str]) -> Iterator[Rung]:
        """Ring for these tasks until the block ends."""
        if self._pid != os.getpid():
            self._begin_anew()  # threads and connections are the parent's
        rung, marks = Rung(), [mark_of(task_id) for task_id in task_ids]
        with self._lock:
            for mark in marks:
                self._waiting.setdefault(mark, set()).add(rung)
            if self._listener is None:
                self._listener = threading.Thread(
                    target=self._listen, name="celeriac-results-ear", daemon=True
                )
                self._listener.start()
        try:
            yield rung
        finally:
            with self._lock:
                self._last_wait = time.monotonic()
                for mark in marks:
                    others = self._waiting[mark]
                    others.discard(rung)
                    if not others:
                        del self._waiting[mark]

    def _listen(self) -> None:
        while not self._is_over():
            try:
                with self.database.listening() as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    self._ring_all()  # for what was announced before
                    while not self._is_over():
                        for said in connection.notifies(timeout=1.0):
                            self._ring(said.payload.split())
            except ResultsError:
                time.sleep(_AGAIN_S)

    def _is_over(self) -> bool:
        with self._lock:
            if self._waiting or time.monotonic() - self._last_wait < _LINGER_S:
                return False
            self._listener = None
            return True

    def _ring(self, marks: Iterable[str]) -> None:
        with self._lock:
            rung = {each for mark in marks for each in self._waiting.get(mark, ())}
        for each in rung:
            each.ring()

    def _ring_all(self) -> None:
        self._ring(list(self._waiting))


_ears: weakref.WeakValueDictionary[str, Ear] = weakref.WeakValueDictionary()
_making = threading.Lock()


def ear_at(url: str) -> Ear:
    """Give this process's ear at the database of `url`. Raises: ResultsError RESULT-031."""
    with _making:
        ear = _ears.get(url)
        if ear is None:
            ear = _ears[url] = Ear(Database(url))
        return ear
