"""The scheduler class of the beat: many beats run, one leads, every slot is sent once.

It keeps no file and no pid: all it knows stands in the coordination store. Named in `beat_scheduler`, or as
`celery beat -S celeriac`, it also serves an app that Celery's own command starts.
"""

from __future__ import annotations

import math
from typing import Any

from celery.beat import ScheduleEntry
from celery.beat import Scheduler as CelerysScheduler

from celeriac.clock import SYSTEM, Clock
from celeriac.coordination import Coordination, open_coordination
from celeriac.errors import CeleriacError
from celeriac.events import emit
from celeriac.plan import Plan
from celeriac.schedule.declared import Declared
from celeriac.schedule.dispatch import Dispatcher
from celeriac.schedule.leadership import Leadership
from celeriac.schedule.ledger import Ledger
from celeriac.schedule.reading import Reader, plan_of
from celeriac.schedule.sending import Sender

#: seconds: the longest sleep, so that a stop, an edit or a clock that was set is seen soon
_LONGEST_SLEEP_S = 0.5
#: seconds until a schedule is attended to again, whatever it said
_LOOK_AGAIN_S = 5.0
#: seconds until one that failed is tried again
_AFTER_TROUBLE_S = 1.0

OURS = "celeriac.schedule.scheduler:Scheduler"
#: what ours does too: the plain one, and that of django-celery-beat, whose tables it reads
_REPLACED = ("celery.beat:PersistentScheduler", "django_celery_beat.schedulers:DatabaseScheduler", "django")


def scheduler_class(app: Any) -> str:
    """Name the scheduler class for an app's beat: ours, unless the app has one that does something else."""
    chosen = str(app.conf.beat_scheduler)
    if ":".join(chosen.replace(":", ".").rsplit(".", 1)) in (OURS, *_REPLACED):
        return OURS
    emit("schedule", "schedule.other_scheduler", scheduler=chosen)
    return chosen


def is_ours(scheduler: str) -> bool:
    """Say whether a scheduler, as `celery beat -S` takes it, is ours and so shares the lease."""
    return scheduler == "celeriac" or ":".join(scheduler.replace(":", ".").rsplit(".", 1)) == OURS


class Scheduler(CelerysScheduler):
    """Celery's scheduler class, led by lease."""

    Entry = ScheduleEntry

    def __init__(
        self, app: Any, *args: Any, lazy: bool = False, clock: Clock = SYSTEM, **kwargs: Any
    ) -> None:
        """lazy: only the declarations are read, as by `celery beat`'s banner; nothing is opened."""
        self._clock = clock
        self._store: Coordination | None = None
        self._in_tick = False
        self._led: int | None = None
        self._agenda: dict[str, float] = {}
        self._said: set[str] = set()
        super().__init__(app, lazy=lazy, **kwargs)
        # We wake often ourselves; Celery's default of five minutes would delay nothing but the stop.
        self.max_interval = _LONGEST_SLEEP_S  # type: ignore[assignment] # Celery infers int from its default
        if not lazy:
            self._open(plan_of(app))

    def _open(self, plan: Plan) -> None:
        self._store = open_coordination(plan.coordination, plan.folder)
        self._sender = Sender(self.app)
        self._reader = Reader(self.app)
        self._ledger = Ledger(self._store, plan.name)
        self._leadership = Leadership(self._store, plan.name, plan.beat.lease, self._clock)
        self._dispatcher = Dispatcher(
            self.app,
            self._ledger,
            self._sender,
            self._leadership,
            plan.beat.deadline.total_seconds(),
            self._sent,
            self._clock,
        )

    @property
    def info(self) -> str:
        plan = plan_of(self.app)
        return f"    . lease -> {plan.name}/beat, {plan.beat.lease.total_seconds():g}s"

    def tick(self, *_: Any, **__: Any) -> float:
        """Lead for a moment, if we may; give the seconds to sleep."""
        self._in_tick = True
        try:
            return min(self._tick(), _LONGEST_SLEEP_S)
        finally:
            self._in_tick = False

    def _tick(self) -> float:
        term = self._leadership.keep()
        if term is None:
            return self._leadership.wait_s
        if term.number != self._led:
            self._led = term.number
            self._agenda.clear()
            self._dispatcher.begin_term()
        soonest = math.inf
        for declared in self._reader.read(self.schedule or {}):
            now = self._clock.steady()
            if self._agenda.get(declared.name, 0.0) <= now:
                if self._leadership.keep() is None:
                    return 0.0
                self._agenda[declared.name] = self._clock.steady() + self._attend(declared)
            soonest = min(soonest, self._agenda[declared.name])
        return max(0.0, min(soonest - self._clock.steady(), self._leadership.wait_s))

    def _attend(self, declared: Declared) -> float:
        if declared.fault is not None:
            if declared.name not in self._said:
                self._said.add(declared.name)
                emit("schedule", "schedule.faulty", schedule=declared.name, error=declared.fault)
            return _LOOK_AGAIN_S
        try:
            return min(self._dispatcher.attend(declared), _LOOK_AGAIN_S)
        except CeleriacError as error:
            emit("schedule", "schedule.trouble", schedule=declared.name, error=str(error))
        except Exception as error:
            # A result backend, or a schedule class of the team's, may raise anything; the others must go on.
            emit(
                "schedule",
                "schedule.trouble",
                schedule=declared.name,
                error=f"{type(error).__name__}: {error}",
            )
        return _AFTER_TROUBLE_S

    def _sent(self, declared: Declared, at: float) -> None:
        entries = self.schedule or {}
        entry = entries.get(declared.name)
        if declared.source == "django" and self._reader.tables is not None:
            self._reader.tables.note_sent(declared.name, at)
        elif entry is not None:
            # For who reads Celery's own attributes; nothing of ours depends on them.
            entries[declared.name] = next(entry)

    def close(self) -> None:
        # Celery's signal handler calls this in the middle of a tick, which may hold the store's lock. It raises
        # SystemExit next, and comes back when the tick has unwound.
        if self._in_tick:
            return
        store, self._store = self._store, None
        if store is not None:
            try:
                self._leadership.resign()
            except CeleriacError as error:
                emit("schedule", "schedule.store_unavailable", error=error.message)
            self._sender.hang_up()
            store.close()
        super().close()
