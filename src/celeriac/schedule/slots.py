"""Slots: the moments at which a schedule sends its task, each named by its epoch seconds.

A slot is worked out from the schedule alone, never from when something ran, so every beat on every host names the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Protocol

#: days searched for a slot: two leap days may lie eight years apart, and only some fall on a given weekday
_HORIZON_DAYS = 366 * 41


class Slots(Protocol):
    """The moments of one schedule."""

    @property
    def text(self) -> str:
        """What they are, for people; two schedules with the same text have the same slots."""

    @property
    def zone(self) -> tzinfo:
        """The time zone that people think of them in."""

    def next_after(self, moment: float) -> float | None:
        """Give the first slot after a moment; None if none comes any more."""

    def last_until(self, moment: float, after: float) -> float | None:
        """Give the last slot later than `after` and not later than `moment`; None if there is none."""


class EverySlots:
    """A slot each time a span has passed since 1970-01-01 UTC."""

    zone: tzinfo = UTC

    def __init__(self, every: timedelta) -> None:
        self._every_ms = max(1, round(every.total_seconds() * 1000))

    @property
    def text(self) -> str:
        return f"every {self._every_ms / 1000:g}s"

    def next_after(self, moment: float) -> float:
        return (self._count(moment) + 1) * self._every_ms / 1000

    def last_until(self, moment: float, after: float) -> float | None:
        last = self._count(moment) * self._every_ms / 1000
        return last if last > after else None

    def _count(self, moment: float) -> int:
        # A slot read back as a float may lie a hair before itself.
        return math.floor(moment * 1000 + 0.001) // self._every_ms


class AtSlots:
    """One slot."""

    def __init__(self, at: float, zone: tzinfo = UTC) -> None:
        self._at = at
        self.zone = zone

    @property
    def text(self) -> str:
        return f"at {datetime.fromtimestamp(self._at, UTC).isoformat()}"

    def next_after(self, moment: float) -> float | None:
        return self._at if moment < self._at else None

    def last_until(self, moment: float, after: float) -> float | None:
        return self._at if after < self._at <= moment else None


class BoundedSlots:
    """The slots of another schedule between two moments, both included; None: no bound."""

    def __init__(self, slots: Slots, not_before: float | None, not_after: float | None) -> None:
        self._slots = slots
        self.zone = slots.zone
        self._not_before = -math.inf if not_before is None else not_before
        self._not_after = math.inf if not_after is None else not_after

    @property
    def text(self) -> str:
        return self._slots.text

    def next_after(self, moment: float) -> float | None:
        # A hair before the bound, so that a slot on it is found.
        slot = self._slots.next_after(max(moment, self._not_before - 0.001))
        return None if slot is None or slot > self._not_after else slot

    def last_until(self, moment: float, after: float) -> float | None:
        return self._slots.last_until(min(moment, self._not_after), max(after, self._not_before - 0.001))


class DailySlots:
    """Slots that are worked out day by day, by the days of their zone; a base class."""

    def __init__(self, zone: tzinfo) -> None:
        self.zone = zone

    def on(self, day: date) -> list[float]:
        """Give the slots of one day, in order."""
        raise NotImplementedError

    def next_after(self, moment: float) -> float | None:
        for day in self._days(moment, 1):
            for slot in self.on(day):
                if slot > moment:
                    return slot
        return None

    def last_until(self, moment: float, after: float) -> float | None:
        # Two days early: a day of a zone may begin before the same day of UTC.
        first = datetime.fromtimestamp(after, self.zone).date() - timedelta(days=2)
        for day in self._days(moment, -1):
            if day < first:
                return None
            found = [slot for slot in self.on(day) if after < slot <= moment]
            if found:
                return found[-1]
        return None

    def _days(self, moment: float, step: int) -> Iterator[date]:
        # From the day before (or after): a slot that a skipped hour moved may be counted to its neighbour.
        day = datetime.fromtimestamp(moment, self.zone).date() - timedelta(days=step)
        for _ in range(_HORIZON_DAYS):
            yield day
            day += timedelta(days=step)
