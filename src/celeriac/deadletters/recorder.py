"""The recorder: moves letters from their queue into the records, acking each once it is committed there."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kombu.connection import Connection
from kombu.exceptions import OperationalError
from kombu.messaging import Consumer

from celeriac import events
from celeriac.clock import SYSTEM, Clock
from celeriac.deadletters.letter import read_letter
from celeriac.deadletters.post import letters_queue
from celeriac.errors import BrokerUnavailable, RecordsError, RecordsUnavailable
from celeriac.records import Letter

if TYPE_CHECKING:
    from celery import Celery

    from celeriac.records import Records

BATCH_MAX = 200
#: how soon a stop is noticed while nothing comes
_IDLE_S = 0.5
#: a batch is written once nothing more has come for this long
_GATHER_S = 0.02
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 10.0
_PRUNE_EVERY_S = 600.0


class Recorder:
    """Records the letters of one app's letters queue.

    A letter is acked after the commit and never before, so it is recorded at least once whatever dies when; the
    records keep it once. Anything on the queue is recorded, also what is no letter.
    """

    def __init__(
        self,
        app: Celery,
        records: Records,
        *,
        queue: str = "celeriac.dead",
        keep: timedelta | None = None,
        clock: Clock = SYSTEM,
        on_new: Callable[[Letter], None] | None = None,
    ) -> None:
        """queue: the letters queue; keep: how long a replayed or discarded letter is kept, None: forever.

        on_new: called once each new letter is committed, and never again for it, also if this process dies before; must
            not raise.
        """
        self._app = app
        self._records = records
        self._queue = letters_queue(app, queue)
        self._keep = keep
        self._clock = clock
        self._on_new = on_new
        self._stopping = threading.Event()
        self._pruned_at: float | None = None

    def run(self, on_ready: Callable[[], object] = lambda: None) -> None:
        """Record until `stop`, or SIGTERM or SIGINT if this is the main thread; what was read is written first.

        A broker or a database that is gone is waited for; letters stay unacked meanwhile.
        on_ready: called whenever it begins to read the queue.
        """
        with self._stopped_by_signals():
            pause_s = _FIRST_PAUSE_S
            while not self._stopping.is_set():
                connection = self._app.connection_for_read()
                try:
                    connection.ensure_connection(max_retries=2, interval_start=0.1)
                    pause_s = _FIRST_PAUSE_S
                    self._consume(connection, on_ready)
                except _recoverable(connection) as error:
                    events.emit("deadletters", "recorder.waiting", pause_s=pause_s, error=error)
                    self._stopping.wait(pause_s)
                    pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                finally:
                    _hang_up(connection)

    def stop(self) -> None:
        """Let `run` end after the batch in hand; callable from a signal handler or another thread."""
        self._stopping.set()

    def catch_up(self, timeout_s: float = 5.0) -> int:
        """Record what waits in the queue now and give how many letters that was; quick if nothing waits.

        What another recorder holds is left to it. Stops after `timeout_s`, even if more waits.
        Raises: the transport's connection error, RecordsError.
        """
        deadline = time.monotonic() + timeout_s
        recorded = 0
        connection = self._app.connection_for_read()
        try:
            connection.ensure_connection(max_retries=1, interval_start=0.1, timeout=timeout_s)
            channel = connection.channel()
            waiting = self._count_waiting(channel)
            batch: list[Any] = []
            with self._consumer(channel, batch):
                # Counted again: to the embedded broker a new consumer brings back what dead ones held.
                waiting = max(waiting, self._count_waiting(channel))
                while recorded < waiting and time.monotonic() < deadline:
                    self._gather(connection, batch, _IDLE_S)
                    if not batch:
                        break
                    self._insert([read_letter(message, self._clock) for message in batch])
                    recorded += self._ack(batch)
            return recorded
        finally:
            _hang_up(connection)

    def _count_waiting(self, channel: Any) -> int:
        counts: list[int] = []
        queue = self._queue(channel)
        # Not asked passively: to kombu's Redis an empty queue is one that is not there.
        queue.on_declared = lambda _name, messages, _consumers: counts.append(messages)
        queue.declare()
        return counts[-1]

    def _consume(self, connection: Connection, on_ready: Callable[[], object]) -> None:
        batch: list[Any] = []
        with self._consumer(connection.channel(), batch):
            on_ready()
            while not self._stopping.is_set():
                self._prune()
                self._gather(connection, batch, _IDLE_S)
                self._record(batch)

    def _consumer(self, channel: Any, batch: list[Any]) -> Consumer:
        return Consumer(
            channel,
            [self._queue],
            on_message=batch.append,
            on_decode_error=lambda message, _error: batch.append(message),
            prefetch_count=BATCH_MAX,
        )

    def _gather(self, connection: Connection, batch: list[Any], patience_s: float) -> None:
        """Fill the batch until it is full, or nothing more comes; `patience_s` is for the first one."""
        while len(batch) < BATCH_MAX and not self._stopping.is_set():
            try:
                connection.drain_events(timeout=patience_s)
            except TimeoutError:
                return
            patience_s = _GATHER_S

    def _record(self, batch: list[Any]) -> None:
        """Commit the batch, waiting for the database as long as it takes, then ack it."""
        if not batch:
            return
        letters = [read_letter(message, self._clock) for message in batch]
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                self._insert(letters)
                break
            except RecordsUnavailable as error:
                if self._stopping.is_set():
                    return  # unacked, so the next recorder gets them
                events.emit("deadletters", "recorder.waiting", pause_s=pause_s, error=error)
                self._stopping.wait(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        events.emit("deadletters", "letter.recorded", count=self._ack(batch))

    def _ack(self, batch: list[Any]) -> int:
        count = len(batch)
        for message in batch:
            message.ack()
        batch.clear()
        return count

    def _insert(self, letters: list[Letter]) -> None:
        if self._on_new is None:
            self._insert_all(letters)
            return
        # One by one, for then the records say of each whether it is new.
        for letter in letters:
            if self._insert_all([letter]):
                self._on_new(letter)

    def _insert_all(self, letters: list[Letter]) -> int:
        """Commit these letters, and give how many were new."""
        try:
            return self._records.insert_letters(letters)
        except RecordsUnavailable:
            raise
        except RecordsError:
            # The database refuses one of them; the others must not wait for it, and its message must not be lost.
            return sum(map(self._insert_one, letters))

    def _insert_one(self, letter: Letter) -> int:
        try:
            return self._records.insert_letters([letter])
        except RecordsUnavailable:
            raise
        except RecordsError:
            return self._records.insert_letters([_bare(letter)])

    def _prune(self) -> None:
        now = self._clock.steady()
        if self._keep is None or (self._pruned_at is not None and now - self._pruned_at < _PRUNE_EVERY_S):
            return
        self._pruned_at = now
        try:
            self._records.prune(self._keep)
        except RecordsUnavailable as error:
            events.emit("deadletters", "recorder.waiting", pause_s=_PRUNE_EVERY_S, error=error)

    @contextmanager
    def _stopped_by_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGTERM, signal.SIGINT)
        before = [signal.signal(number, lambda *_: self.stop()) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)


def _bare(letter: Letter) -> Letter:
    """Keep of a letter what no database refuses: its id, its times and the message's body."""
    return Letter(
        id=letter.id,
        reason=letter.reason,
        queue=letter.queue,
        died_at=letter.died_at,
        body=letter.body,
        digest=letter.digest,
        message="the database refused the rest of this letter",
    )


def _recoverable(connection: Connection) -> tuple[type[BaseException], ...]:
    return (
        OperationalError,
        BrokerUnavailable,
        OSError,
        *connection.connection_errors,
        *connection.channel_errors,
    )


def _hang_up(connection: Connection) -> None:
    try:
        connection.release()
    except _recoverable(connection):
        connection.collect()
