"""Reading the schedules of an app, wherever they are declared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from celery import Celery
from celery.beat import ScheduleEntry, Scheduler

from celeriac.errors import CeleriacError
from celeriac.plan import Plan
from celeriac.schedule.declared import Declared
from celeriac.schedule.kinds import slots_of_celery
from celeriac.schedule.planned import PlannedSchedule
from celeriac.schedule.runs import can_tell
from celeriac.schedule.tables import find_tables


def plan_of(app: Any) -> Plan:
    """Give the plan of an app; the defaults if Celeriac has neither made nor adopted it."""
    plan = getattr(getattr(app, "celeriac", None), "plan", None)
    return plan if isinstance(plan, Plan) else Plan(name=app.main or "celeriac")


class Reader:
    """The schedules of an app: from the plan, `beat_schedule`, `add_periodic_task` and django-celery-beat's tables."""

    def __init__(self, app: Celery) -> None:
        """Django, where it is used, must be set up by now: Celery does that when it imports the tasks."""
        self._app = app
        self.tables = find_tables(app)
        self._known: dict[str, tuple[Any, Declared]] = {}

    def read(self, entries: Mapping[str, ScheduleEntry] | None = None) -> Iterator[Declared]:
        """Give the schedules as they are now.

        entries: those of a beat; None: those that a beat would begin with.
        """
        rows = list(self.tables.read()) if self.tables is not None else []
        names = self.tables.names if self.tables is not None else frozenset()
        if entries is None:
            entries = Scheduler(self._app).schedule or {}
        for name, entry in list(entries.items()):
            # A row of the same name wins, also a disabled one: the admin is the editor of what it shows.
            if name not in names:
                yield self._read_once(name, entry)
        yield from rows

    def _read_once(self, name: str, entry: ScheduleEntry) -> Declared:
        """Read an entry; one whose schedule object is the same as last time is not worked out again."""
        held = self._known.get(name)
        if held is None or held[0] is not entry.schedule:
            held = self._known[name] = (entry.schedule, _read(self._app, name, entry))
        return held[1]


def _read(app: Celery, name: str, entry: ScheduleEntry) -> Declared:
    schedule: Any = entry.schedule
    planned = schedule.planned if isinstance(schedule, PlannedSchedule) else None
    slots, fault = None, None
    try:
        slots = slots_of_celery(schedule) if planned is None else schedule.slots
    except CeleriacError as error:
        fault = str(error)
    if planned is not None and planned.overlap != "allow" and not can_tell(app):
        fault = f'overlap = "{planned.overlap}" is told by results, and the app keeps none'
    return Declared(
        name=name,
        task=entry.task,
        slots=slots,
        source="code" if planned is None else "plan",
        args=entry.args or (),
        kwargs=entry.kwargs or {},
        options=entry.options or {},
        catch_up="last" if planned is None else planned.catch_up,
        overlap="allow" if planned is None else planned.overlap,
        fault=fault,
    )
