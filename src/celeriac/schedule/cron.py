"""Slots of a cron time in a time zone, right in both daylight-saving nights.

The rule, which is that of Debian's cron: a slot that a night skips is the first moment after the gap, and a slot that
comes twice is the first of the two. A cron time of every hour follows elapsed time instead: what is skipped is not
there, what is doubled is there twice. Slots that fall on the same moment are one.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from itertools import product

from celery.schedules import crontab

from celeriac.schedule.slots import DailySlots

_HOURS_A_DAY = 24
#: days whose slots are remembered for each schedule
_REMEMBERED = 8


class CronSlots(DailySlots):
    """The slots of a Celery crontab; as there, both the day of month and the day of week must hold."""

    def __init__(self, cron: crontab, zone: tzinfo) -> None:
        super().__init__(zone)
        self._times = [time(hour, minute) for hour, minute in product(sorted(cron.hour), sorted(cron.minute))]
        self._follows_elapsed = len(cron.hour) == _HOURS_A_DAY
        self._month_days: Collection[int] = cron.day_of_month
        self._months: Collection[int] = cron.month_of_year
        self._weekdays: Collection[int] = cron.day_of_week
        self._text = " ".join(
            str(each)
            for each in (
                cron._orig_minute,
                cron._orig_hour,
                cron._orig_day_of_month,
                cron._orig_month_of_year,
                cron._orig_day_of_week,
            )
        )
        self._remembered = lru_cache(_REMEMBERED)(self._work_out)

    @property
    def text(self) -> str:
        return f"{self._text} {self.zone}"

    def on(self, day: date) -> list[float]:
        weekday = day.isoweekday() % 7
        if day.day not in self._month_days or day.month not in self._months or weekday not in self._weekdays:
            return []
        return self._remembered(day)

    def _work_out(self, day: date) -> list[float]:
        moments: set[float] = set()
        for each in self._times:
            wall = datetime.combine(day, each)
            if self._follows_elapsed:
                moments.update(moments_of(wall, self.zone))
            else:
                moments.add(moment_of(wall, self.zone))
        return sorted(moments)


def moments_of(wall: datetime, zone: tzinfo) -> list[float]:
    """Give every moment at which the clocks of a zone show a time: none if they skip it, two if it comes twice."""
    both = {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return sorted(
        moment.timestamp() for moment in both if moment.astimezone(zone).replace(tzinfo=None, fold=0) == wall
    )


def moment_of(wall: datetime, zone: tzinfo) -> float:
    """Give the first moment at which the clocks of a zone show a time, or, if they skip it, that after the gap."""
    shown = moments_of(wall, zone)
    if shown:
        return shown[0]
    # Inside a gap one reading of the time lies before the clocks are set and the other after: close in on it.
    early, late = sorted(
        wall.replace(tzinfo=zone, fold=fold).astimezone(UTC).replace(microsecond=0) for fold in (0, 1)
    )
    before = early.astimezone(zone).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return late.timestamp()
