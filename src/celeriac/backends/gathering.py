"""Results gathered in a process that runs tasks itself, and written together before any of their messages is acked.

Gathering is on only while a transport of this process has promised to call `flush` before it writes acks; elsewhere (in
a prefork child, in a web server) each result is written at once. What is gathered waits 2 ms for company. While results
keep coming it waits 5 ms, and whoever puts the next one writes them all: a thread that wrote them, every 2 ms, would
cost a busy process a fifth of its time.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from celery import states

from celeriac.errors import ResultsUnavailable
from celeriac.events import emit

#: what a run says last; with anything else it goes on
_LAST_WORDS = states.READY_STATES | {states.RETRY, "IGNORED"}
_COMPANY_S = 0.002
#: how long the first waits while others keep coming, seconds
_ENOUGH_S = 0.005
#: writes that wait at most: with a store that is away, who stores one more waits for it
_ROOM = 1000
#: raised while the store cannot be reached: to be tried again as it is
_AWAY = (ResultsUnavailable, OSError)
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
    """The results of this process that are not written yet, in their order.

    clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = 0
        self._waiting: list[Write] = []
        #: when the first of those that wait was put, monotonic seconds
        self._since = 0.0
        #: when the last of them was put
        self._latest = 0.0
        #: the last write failed: only the thread tries again, for it may take its time
        self._is_troubled = False
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
        now = self._clock()
        with self._lock:
            self._waiting.append(write)
            waiting = len(self._waiting)
            if waiting == 1:
                self._since = now
            self._latest = now
        if waiting >= _ROOM:
            self.flush()
        elif write.state not in _LAST_WORDS:
            # The task goes on, and who sees it run may write of it too: an abort, say, must not be followed by this.
            self._flush_in_passing(waits=True)
        elif waiting > 1 and now - self._since >= _ENOUGH_S and not self._is_troubled:
            self._flush_in_passing()
        if not self._rung.is_set():
            self._rung.set()

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

    def _flush_in_passing(self, *, waits: bool = False) -> None:
        """Write what waits, unless somebody does already (waits: then after that); trouble is left to the thread."""
        if self._writing.acquire(blocking=waits):
            try:
                self.flush()
            except Exception as error:
                self._say(error)
            finally:
                self._writing.release()

    def _say(self, error: Exception) -> None:
        # Said once, and tried again: acks wait for it.
        if not self._is_troubled:
            emit("backends", "results.waiting", error=str(error))
        self._is_troubled = True

    @staticmethod
    def _write(waiting: list[Write]) -> None:
        places: dict[str, list[Write]] = {}
        for write in waiting:
            places.setdefault(write.place, []).append(write)
        for writes in places.values():
            try:
                writes[0].write(writes)
            except _AWAY:
                raise
            except Exception:
                _write_each(writes)

    def _keep_flushing(self) -> None:
        while True:
            self._rung.wait()
            time.sleep(_COMPANY_S)
            if not self._waiting:
                # In this order: what is put in between rings again, or is seen.
                self._rung.clear()
                if not self._waiting:
                    continue
                self._rung.set()
            # Later than whoever puts the next would, so that the two do not meet.
            while self._waiting and (left_s := self._due() - self._clock()) > 0:
                time.sleep(left_s)
            try:
                self.flush()
                self._is_troubled = False
            except Exception as error:
                self._say(error)
                time.sleep(_PAUSE_S)

    def _due(self) -> float:
        return min(self._latest + _COMPANY_S, self._since + 2 * _ENOUGH_S)

    def forget(self) -> None:
        """Begin anew: in a forked child, where what waits is the parent's to write and its threads are not."""
        self.__dict__.update(Gathering().__dict__)


def _write_each(writes: list[Write]) -> None:
    """Write by itself each of those that were refused together, so that one that never can be holds up no other.

    One that is refused while its neighbours are taken is given up, and said. Where all are refused it is the store that
    is in trouble, not they.
    """
    refused: list[tuple[Write, Exception]] = []
    for write in writes:
        try:
            write.write([write])
        except _AWAY:
            raise
        except Exception as error:
            refused.append((write, error))
    if len(refused) == len(writes):
        raise refused[0][1]
    for write, refusal in refused:
        emit("backends", "results.refused", task_id=write.task_id, state=write.state, error=str(refusal))


#: of this process
GATHERED = Gathering()
os.register_at_fork(after_in_child=GATHERED.forget)
