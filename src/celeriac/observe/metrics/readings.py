"""The readings of one scrape: workers from their heartbeat files, queues and letters from where they wait."""

from __future__ import annotations

import time
from importlib.metadata import version

from celeriac.observe.health import WorkerHealth, workers_in
from celeriac.observe.metrics import names
from celeriac.observe.metrics.deadline import Deadlined
from celeriac.observe.metrics.exposition import Readings, Rows
from celeriac.observe.metrics.sources import (
    BrokerReading,
    BrokerSource,
    LettersSource,
    ScheduleReading,
    SchedulesSource,
    SpoolReading,
    SpoolSource,
)
from celeriac.observe.places import books_folder, pulses_folder
from celeriac.observe.samples import Shelf
from celeriac.plan import Plan


class Sources:
    """Everything that is read when this host is scraped.

    broker: looks at the queues; letters: counts letters; schedules: reads their ledger, None where there are none;
    spool: looks at this host's spool, None where there is none.
    Each may fail or hang without keeping the others back. Without broker and letters only this host is told of.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        broker: BrokerSource | None = None,
        letters: LettersSource | None = None,
        schedules: SchedulesSource | None = None,
        spool: SpoolSource | None = None,
    ) -> None:
        self.plan = plan
        self._pulses = pulses_folder(plan)
        self._books = Shelf(books_folder(plan))
        self._broker = Deadlined("broker", broker) if broker is not None else None
        self._letters = Deadlined("letters", letters) if letters is not None else None
        self._spool = Deadlined("spool", spool) if spool is not None else None
        self._schedules = Deadlined("schedules", schedules) if schedules is not None else None

    def workers(self) -> list[WorkerHealth]:
        """Look at the workers of this host."""
        return workers_in(self._pulses)

    @property
    def reads_broker(self) -> bool:
        """Whether the broker is looked at."""
        return self._broker is not None

    def broker(self) -> BrokerReading | None:
        """Look at the broker; None if it does not answer, or is not looked at."""
        return self._broker() if self._broker is not None else None

    def read(self) -> Readings:
        """Read everything once."""
        readings = self._queues(self.broker()) if self.reads_broker else {}
        readings.update(_workers(self.workers()))
        if self._letters is not None:
            readings[names.LETTERS] = {(queue,): (count,) for queue, count in (self._letters() or {}).items()}
        readings.update(_schedules((self._schedules() if self._schedules else None) or {}))
        readings.update(_spool(self._spool() if self._spool else None))
        readings[names.BOOKS] = {(): (float(self._books.books()),)}
        readings[names.BUILD] = {(version("celeriac"),): (1.0,)}
        return readings

    def _queues(self, broker: BrokerReading | None) -> Readings:
        messages: Rows = {}
        oldest: Rows = {}
        consumers: Rows = {}
        for queue in broker.queues if broker else ():
            for state in ("ready", "delayed", "unacked"):
                count = getattr(queue, state)
                if count is not None:
                    messages[queue.name, state] = (float(count),)
            if queue.oldest_age_s is not None:
                oldest[queue.name,] = (queue.oldest_age_s,)
            if queue.consumers is not None:
                consumers[queue.name,] = (float(queue.consumers),)
        together: Rows = {(): (float(broker.unacked),)} if broker and broker.unacked is not None else {}
        return {
            names.BROKER_UP: {(): (0.0 if broker is None else 1.0,)},
            names.QUEUE_MESSAGES: messages,
            names.QUEUE_OLDEST: oldest,
            names.QUEUE_CONSUMERS: consumers,
            names.BROKER_UNACKED: together,
            names.QUEUE_MAX_WAIT: {
                (name,): (queue.max_wait.total_seconds(),)
                for name, queue in self.plan.queues.items()
                if queue.max_wait is not None
            },
        }


def _spool(spool: SpoolReading | None) -> Readings:
    if spool is None:
        return {}
    return {
        names.SPOOL_TASKS: {("waiting",): (float(spool.tasks),), ("aside",): (float(spool.aside),)},
        names.SPOOL_BYTES: {(): (float(spool.size_bytes),)},
        names.SPOOL_OLDEST: {(): (spool.oldest_age_s or 0.0,)},
    }


def _schedules(schedules: dict[str, ScheduleReading]) -> Readings:
    now = time.time()
    sent = [(name, it.slot, it.sent_at) for name, it in schedules.items()]
    return {
        names.SCHEDULE_LAG: {
            (name,): (max(sent_at - slot, 0.0),)
            for name, slot, sent_at in sent
            if slot is not None and sent_at is not None
        },
        names.SCHEDULE_SENT: {(name,): (sent_at,) for name, _, sent_at in sent if sent_at is not None},
        names.SCHEDULE_OVERDUE: {
            (name,): (max(now - it.due_at, 0.0) if it.due_at is not None else 0.0,)
            for name, it in schedules.items()
        },
    }


def _workers(workers: list[WorkerHealth]) -> Readings:
    return {
        names.WORKER_UP: {(each.name,): (float(each.is_up),) for each in workers},
        names.WORKER_BEAT_AGE: {(each.name,): (each.beat_age_s,) for each in workers},
        names.WORKER_SLOTS: {(each.name,): (float(each.slots),) for each in workers},
        names.WORKER_BUSY: {(each.name,): (float(each.busy),) for each in workers},
    }
