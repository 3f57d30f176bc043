"""The recorder of runs: takes the stream of task events into the records."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kombu.entity import Queue
from kombu.exceptions import OperationalError
from kombu.messaging import Consumer

from celeriac import events
from celeriac.clock import SYSTEM, Clock
from celeriac.errors import BrokerUnavailable, RecordsError, RecordsUnavailable
from celeriac.observe.runs import Unreadable, events_in, read_run
from celeriac.plan.tables.records import Records as Kept
from celeriac.records import Run

if TYPE_CHECKING:
    from celery import Celery

    from celeriac.records import Runs

#: sightings written in one transaction, as soon as they are together or the oldest has waited long enough
BATCH_MAX = 2000
GATHER_S = 0.3
#: sightings that wait for a database that is gone; then the oldest are dropped
WAITING_MAX = 50_000
PRUNE_EVERY_S = 60.0
#: how soon a stop is noticed while nothing comes
_IDLE_S = 0.5
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 10.0


class RunRecorder:
    """Records the task runs that one app's workers tell of.

    A history, not a guarantee: events that are sent while no recorder listens are gone. Nothing that is in an event
    ends it; what cannot be recorded is dropped, counted and said.
    """

    def __init__(self, app: Celery, runs: Runs, kept: Kept, clock: Clock = SYSTEM) -> None:
        """kept: what the plan says of the records."""
        self._app = app
        self._runs = runs
        self._kept = kept
        self._clock = clock
        self._stopping = threading.Event()
        self._waiting: list[Run] = []
        self._dropped: Counter[str] = Counter()
        self._prune_at = 0.0
        self._retry_at = 0.0
        self._pause_s = _FIRST_PAUSE_S

    def run(self, on_ready: Callable[[], object] = lambda: None) -> None:
        """Record until `stop`; what was read is written first.

        on_ready: called whenever it begins to listen.
        """
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            try:
                self._listen(on_ready)
                pause_s = _FIRST_PAUSE_S
            except Exception as trouble:
                # Of any kind: a history that stops without a word is worse than one with a gap.
                events.emit("observe", "recorder.waiting", pause_s=pause_s, error=trouble)
                self._stopping.wait(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def stop(self) -> None:
        """Let `run` end after what is in hand; callable from another thread."""
        self._stopping.set()

    def _listen(self, on_ready: Callable[[], object]) -> None:
        # No heartbeats: nobody would send them while the database is waited for.
        connection = self._app.connection_for_read(heartbeat=0)
        try:
            connection.ensure_connection(max_retries=2, interval_start=0.1)
            channel = connection.channel()
            with Consumer(
                channel,
                [self._queue(channel)],
                on_message=self._take,
                on_decode_error=self._refuse,
                no_ack=True,
            ):
                on_ready()
                while not self._stopping.is_set():
                    self._gather(connection)
                    self._write()
                    self._say_dropped()
                    self._prune()
            self._write(is_last=True)
            self._say_dropped()
        finally:
            try:
                connection.release()
            except (OperationalError, BrokerUnavailable, OSError, *connection.connection_errors):
                connection.collect()

    def _queue(self, channel: Any) -> Queue:
        """Give the queue by which events come: this recorder's own, or one for all where the broker has no topics."""
        shared = getattr(channel, "events_queue", None)
        return Queue(shared) if shared else self._app.events.Receiver(channel, routing_key="task.#").queue

    def _gather(self, connection: Any) -> None:
        """Read events until there are enough, or they have waited long enough for others."""
        patience_s = _IDLE_S
        began = self._clock.steady()
        enough = len(self._waiting) + BATCH_MAX
        while len(self._waiting) < enough and not self._stopping.is_set():
            try:
                connection.drain_events(timeout=patience_s)
            except TimeoutError:
                return
            patience_s = began + GATHER_S - self._clock.steady()
            if patience_s <= 0:
                return

    def _take(self, message: Any) -> None:
        if message.content_type != "application/json":
            self._dropped["it is no JSON"] += 1
            return
        try:
            for event in events_in(message.body):
                self._take_event(event)
        except Unreadable as reason:
            self._dropped[str(reason)] += 1

    def _take_event(self, event: object) -> None:
        try:
            run = read_run(event, self._kept.arguments)
        except Unreadable as reason:
            self._dropped[str(reason)] += 1
            return
        if run is not None:
            self._waiting.append(run)

    def _refuse(self, _message: Any, _error: Exception) -> None:
        self._dropped["its message cannot be unpacked"] += 1

    def _write(self, *, is_last: bool = False) -> None:
        """Commit what waits; if the database cannot be used now, try again later."""
        if not self._waiting:
            return
        if self._clock.steady() >= self._retry_at or is_last:
            batch, self._waiting = self._waiting, []
            try:
                self._keep(batch)
                self._pause_s = _FIRST_PAUSE_S
            except RecordsUnavailable as error:
                self._waiting = batch
                events.emit("observe", "recorder.waiting", pause_s=self._pause_s, error=error)
                self._retry_at = self._clock.steady() + self._pause_s
                self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
            except Exception:
                # Tried again, the same batch might fail for ever, and everything after it with it.
                self._dropped["of an unforeseen error"] += len(batch)
                raise
        too_many = len(self._waiting) - (0 if is_last else WAITING_MAX)
        if too_many > 0:
            self._dropped["the records could not be used"] += too_many
            del self._waiting[:too_many]

    def _keep(self, batch: list[Run]) -> None:
        try:
            self._runs.keep(batch)
        except RecordsUnavailable:
            raise
        except RecordsError:
            # The database refuses one of them: the others must not go with it.
            if len(batch) == 1:
                self._dropped["the database refuses it"] += 1
                return
            middle = len(batch) // 2
            self._keep(batch[:middle])
            self._keep(batch[middle:])

    def _say_dropped(self) -> None:
        for reason, count in self._dropped.items():
            if count:
                events.emit("observe", "runs.dropped", count=count, reason=reason)
        self._dropped.clear()

    def _prune(self) -> None:
        """Delete a step of what is past its keep; the next step follows after the next events."""
        if self._clock.steady() < self._prune_at:
            return
        try:
            is_done = self._runs.prune(self._kept.keep) == 0
        except RecordsUnavailable:
            is_done = True
        if is_done:
            self._prune_at = self._clock.steady() + PRUNE_EVERY_S
