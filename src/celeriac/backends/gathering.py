"""Results gathered in a process that runs tasks itself, and written together before any of their messages is acked.

Gathering is on only while a transport of this process has promised to call `flush` before it writes acks; elsewhere (in
a prefork child, in a web server) each result is written at once. What is gathered waits 2 ms at most.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from celeriac.events import emit

_COMPANY_S = 0.002
#: writes that wait at most: with a store that is away, who stores one more waits for it
_ROOM = 1000
#: how long the flusher pauses when the store could not be written, seconds
_PAUSE_S = 0.2


class Write(NamedTuple):
    """One result on its way.

    place: the store it goes to; what goes to one place is written by one call. write: writes a list of these.
    keys, arguments: what `write` makes of it.
    """

    place: str
    write: Callable[[list[Write]], None]
    task_id: str
    state: str
    keys: tuple[str, ...]
    arguments: tuple[Any, ...]


class Gathering:
    """The results of this process that are not written yet, in their order."""

    def __init__(self) -> None:
        self._begun = 0
        self._waiting: list[Write] = []
        self._lock = threading.Lock()
        self._writing = threading.RLock()
        self._rung = threading.Event()
        self._flusher: threading.Thread | None = None

    def __reduce__(self) -> str:
        return "GATHERED"

    def begin(self) -> None:
        """Gather from now on: the caller flushes before it acks. May be nested."""
        with self._lock:
            self._begun += 1
            if self._flusher is None:
                self._flusher = threading.Thread(
                    target=self._keep_flushing, name="celeriac-results", daemon=True
                )
                self._flusher.start()

    def end(self) -> None:
        """Gather no longer, once everybody who began has ended.

        What cannot be written then is lost with this process; no message of these tasks was acked, so they run again.
        """
        with self._lock:
            self._begun = max(self._begun - 1, 0)
        try:
            self.flush()
        except Exception as error:
            emit("backends", "results.waiting", error=str(error))

    def put(self, write: Write) -> None:
        """Take a result in, or write it where nothing is gathered.

        Raises: what writing does.
        """
        if not self._begun:
            write.write([write])
            return
        with self._lock:
            self._waiting.append(write)
            waiting = len(self._waiting)
        if waiting == 1:
            self._rung.set()
        elif waiting >= _ROOM:
            self.flush()

    def flush(self) -> None:
        """Write all that was put before this call; when it returns, it is written, by whomever.

        Raises: what writing does; then what was not written still waits.
        """
        if not self._begun and not self._waiting:
            return
        with self._writing:
            while self._waiting:
                with self._lock:
                    waiting, self._waiting = self._waiting, []
                try:
                    self._write(waiting)
                except BaseException:
                    with self._lock:
                        # Written again as a whole, which changes nothing for those that were: a write stands once.
                        self._waiting = waiting + self._waiting
                    raise

    @staticmethod
    def _write(waiting: list[Write]) -> None:
        places: dict[str, list[Write]] = {}
        for write in waiting:
            places.setdefault(write.place, []).append(write)
        for writes in places.values():
            writes[0].write(writes)

    def _keep_flushing(self) -> None:
        troubled = False
        while True:
            self._rung.wait()
            self._rung.clear()
            time.sleep(_COMPANY_S)
            try:
                self.flush()
                troubled = False
            except Exception as error:  # said, and tried again: acks wait for it
                if not troubled:
                    emit("backends", "results.waiting", error=str(error))
                troubled = True
                time.sleep(_PAUSE_S)
                self._rung.set()

    def _begin_anew_in_child(self) -> None:
        # What waits is the parent's to write, and its threads are not here.
        fresh = Gathering()
        self.__dict__.update(fresh.__dict__)


#: of this process
GATHERED = Gathering()
os.register_at_fork(after_in_child=GATHERED._begin_anew_in_child)
