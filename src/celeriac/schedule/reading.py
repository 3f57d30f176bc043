"""Reading the schedules of an app: those of the plan, and those its code declares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from celery import Celery
from celery.beat import ScheduleEntry

from celeriac.errors import CeleriacError
from celeriac.plan import Plan
from celeriac.schedule.declared import Declared
from celeriac.schedule.kinds import slots_of_celery
from celeriac.schedule.planned import PlannedSchedule
from celeriac.schedule.runs import can_tell


def plan_of(app: Any) -> Plan:
    """Give the plan of an app; the defaults if Celeriac has neither made nor adopted it."""
    plan = getattr(getattr(app, "celeriac", None), "plan", None)
    return plan if isinstance(plan, Plan) else Plan(name=app.main or "celeriac")


class Reader:
    """The schedules of a beat's entries: from the plan, from `beat_schedule` and from `add_periodic_task`."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._known: dict[str, tuple[Any, Declared]] = {}

    def read(self, entries: Mapping[str, ScheduleEntry]) -> Iterator[Declared]:
        """Give the schedules; those whose schedule object is the same as last time are not worked out again."""
        for name, entry in list(entries.items()):
            held = self._known.get(name)
            if held is None or held[0] is not entry.schedule:
                held = self._known[name] = (entry.schedule, _read(self._app, name, entry))
            yield held[1]


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
