"""The slots of a schedule, however it was declared: in the plan, or as a schedule object of Celery's."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from celery.exceptions import ImproperlyConfigured
from celery.schedules import BaseSchedule, crontab, schedule, solar

from celeriac.errors import ScheduleError
from celeriac.plan import Schedule
from celeriac.plan.moments import moment_of as moment_written
from celeriac.plan.moments import place_of
from celeriac.schedule.cron import CronSlots, moment_of
from celeriac.schedule.slots import AtSlots, DailySlots, EverySlots, Slots

#: slots that are looked through for the last one of a schedule that cannot be asked for it
_STEPS_MAX = 1000


class SunSlots(DailySlots):
    """An event of the sun at a place, to the second; days are those of UTC."""

    def __init__(self, event: str, latitude: float, longitude: float) -> None:
        """Raises: ScheduleError if ephem is not installed."""
        super().__init__(UTC)
        self._text = f"{event} at {latitude:g}, {longitude:g}"
        try:
            self._sun = solar(event, latitude, longitude, app=_UtcApp())
        except ImproperlyConfigured as error:
            raise ScheduleError(
                "SCHED-001",
                "schedules by the sun need the package ephem, which is not installed.",
                fix="pip install 'celeriac[sun]'",
            ) from error
        self._remembered = lru_cache(8)(self._work_out)

    @property
    def text(self) -> str:
        return self._text

    def on(self, day: date) -> list[float]:
        return self._remembered(day)

    def _work_out(self, day: date) -> list[float]:
        # Always from midnight: sought from elsewhere, the same event comes out a fraction of a second off.
        midnight = datetime.combine(day, time(), UTC)
        self._sun.nowfun = lambda: midnight
        event = midnight + self._sun.remaining_estimate(midnight)
        return [float(math.floor(event.timestamp()))] if event.date() == day else []


class _UtcApp:
    """What a schedule of Celery's asks its app for."""

    timezone = UTC


class ForeignSlots:
    """A schedule of a kind we do not know, asked by Celery's own protocol, to the second."""

    zone: tzinfo = UTC

    def __init__(self, foreign: BaseSchedule) -> None:
        self._foreign = foreign

    @property
    def text(self) -> str:
        # An object's default repr holds its address, which is another in every process.
        said = repr(self._foreign)
        return type(self._foreign).__qualname__ if " at 0x" in said else said

    def next_after(self, moment: float) -> float | None:
        now: datetime = self._foreign.maybe_make_aware(self._foreign.now())
        left: timedelta = self._foreign.remaining_estimate(datetime.fromtimestamp(moment, now.tzinfo))
        return float(max(math.ceil((now + left).timestamp()), math.floor(moment) + 1))

    def last_until(self, moment: float, after: float) -> float | None:
        last = None
        for _ in range(_STEPS_MAX):
            following = self.next_after(after if last is None else last)
            if following is None or following > moment:
                break
            last = following
        return last


def slots_of_plan(declared: Schedule) -> Slots:
    """Give the slots of a schedule of the plan, which `celeriac.plan.check` has approved.

    Raises: ScheduleError without ephem, for one by the sun.
    """
    if declared.every is not None:
        return EverySlots(declared.every)
    zone = ZoneInfo(declared.timezone)
    if declared.cron is not None:
        return CronSlots(crontab.from_string(" ".join(declared.cron.split())), zone)
    at = moment_written(declared.at) if declared.at else None
    if at is not None:
        return AtSlots(moment_of(at, zone), zone)
    place = place_of(declared.place or "")
    if declared.sun is not None and place is not None:
        return SunSlots(declared.sun, *place)
    raise ScheduleError("SCHED-002", "a schedule has no clock.", fix="prove the plan: celeriac check")


def slots_of_celery(declared: BaseSchedule) -> Slots:
    """Give the slots of a schedule object: those of Celery's kinds are worked out here, any other is asked."""
    if isinstance(declared, crontab) and _asks_as(declared, crontab):
        return CronSlots(declared, declared.tz)
    if isinstance(declared, solar) and _asks_as(declared, solar):
        return SunSlots(declared.event, declared.lat, declared.lon)
    if isinstance(declared, schedule) and _asks_as(declared, schedule):
        return EverySlots(declared.run_every)
    clocked: Any = getattr(declared, "clocked_time", None)
    if isinstance(clocked, datetime):
        return AtSlots(declared.maybe_make_aware(clocked).timestamp())
    return ForeignSlots(declared)


def _asks_as(declared: BaseSchedule, kind: type[BaseSchedule]) -> bool:
    """Whether a subclass leaves the answer to `kind`; a time zone of its own does not change it."""
    return bool(
        type(declared).remaining_estimate is kind.remaining_estimate
        or type(declared).__module__.startswith("django_celery_beat.")
    )
