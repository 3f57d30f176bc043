"""The rules that are compared; each is asked for a number of units whenever it would look for itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from benchmarks.autoscale.arrivals import Day
from celeriac.pools.autoscale import Bounds, Demand, Line, Memory, Meter, Pace, Rates, decide


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What a rule can see: seconds from the start, messages, seconds, and units as they are (starting ones too)."""

    now: float
    ready: int
    oldest_age_s: float | None
    running: int
    ended: int
    units: int


class Rule(Protocol):
    """slots_each: of a unit; every_s: how often it looks; starts_within_s: how long a unit takes to start."""

    slots_each: int
    every_s: float
    starts_within_s: float
    sees_arrivals: bool

    def units(self, sight: Sight) -> int: ...


class Fixed:
    """So many slots, always."""

    every_s, starts_within_s, sees_arrivals, slots_each = 3600.0, 0.0, False, 1

    def __init__(self, slots: int) -> None:
        self._slots = slots

    def units(self, sight: Sight) -> int:
        return self._slots


class Celery:
    """celery.worker.autoscale.Autoscaler of 5.7: slots by reserved messages; it prefetches for all possible slots."""

    every_s, starts_within_s, sees_arrivals, slots_each = 30.0, 0.2, True, 1
    _keepalive_s = 30.0

    def __init__(self, day: Day) -> None:
        self._day = day
        self._grown_at: float | None = None
        self._received_at: float | None = None
        self._seen = 0

    def units(self, sight: Sight) -> int:
        received = sight.ended + sight.running + sight.ready
        if received > self._seen:
            self._seen, self._received_at = received, sight.now
        reserved = min(sight.ready + sight.running, self._day.most)
        if reserved > sight.units:
            self._grown_at = sight.now
            return reserved
        wanted = max(reserved, self._day.least)
        if wanted < sight.units:
            active = max(it for it in (self._grown_at, self._received_at, -1.0) if it is not None)
            if active >= 0 and sight.now - active > self._keepalive_s:
                return wanted
        return sight.units


class Keda:
    """ceil(messages ÷ slots) workers, by a HorizontalPodAutoscaler with its defaults.

    KEDA's metrics adapter is asked every 15 s. Source: kubernetes.io/docs, "Horizontal Pod Autoscaling": tolerance 0.1,
    up by 4 pods or 100% in 15 s, down to the largest recommendation of 300 s. A pod is as quick as a process here.
    """

    every_s, starts_within_s, sees_arrivals = 15.0, 3.0, False

    def __init__(self, day: Day) -> None:
        self.slots_each = day.slots_each
        self._least, self._most = day.least // day.slots_each, day.most // day.slots_each
        self._advice: list[tuple[float, int]] = []

    def units(self, sight: Sight) -> int:
        messages = sight.ready + sight.running
        ratio = messages / (self.slots_each * max(sight.units, 1))
        advice = sight.units if abs(ratio - 1) <= 0.1 else math.ceil(messages / self.slots_each)
        advice = min(max(advice, self._least), self._most)
        self._advice = [it for it in self._advice if it[0] > sight.now - 300] + [(sight.now, advice)]
        if advice > sight.units:
            return min(advice, max(sight.units + 4, sight.units * 2))
        return min(sight.units, max(it for _, it in self._advice))


class Celeriac:
    """The decision, once a second; `slots_each` 1: slots of a worker; more: workers of `celeriac up`.

    is_blind: it is not told what a task costs or how long it may wait, and follows KEDA's number at its own pace.
    """

    every_s, sees_arrivals = 1.0, False

    def __init__(self, day: Day, *, slots_each: int = 1, is_blind: bool = False) -> None:
        self.slots_each = slots_each
        self.starts_within_s = 0.2 if slots_each == 1 else 3.0
        self._day, self._is_blind = day, is_blind
        self._bounds = Bounds(day.least // slots_each, day.most // slots_each)
        self._pace = Pace.of([day.max_wait_s], least_s=5.0 if slots_each == 1 else 15.0)
        self._memory, self._meter = Memory(), Meter(self._pace.arrivals_s)

    def units(self, sight: Sight) -> int:
        rates = self._meter.see(sight.now, ended=sight.ended, running=sight.running, waiting=sight.ready)
        line = Line(messages=sight.ready, oldest_age_s=sight.oldest_age_s, max_wait_s=self._day.max_wait_s)
        demand = Demand(lines=(line,), running=sight.running, rates=Rates() if self._is_blind else rates)
        decision = decide(
            self._bounds,
            self._pace,
            self._memory,
            demand,
            units=sight.units,
            now=sight.now,
            slots_each=self.slots_each,
        )
        self._memory = decision.memory
        return decision.units


def rules(day: Day) -> dict[str, Rule]:
    """Give the rules by name, each new."""
    return {
        "fixed, least": Fixed(day.least),
        "fixed, most": Fixed(day.most),
        "Celery's autoscaler": Celery(day),
        "KEDA's rule, workers": Keda(day),
        "KEDA's number, our pace": Celeriac(day, is_blind=True),
        "Celeriac, slots": Celeriac(day),
        "Celeriac, workers": Celeriac(day, slots_each=day.slots_each),
    }
