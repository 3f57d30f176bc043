"""The days that are simulated: when messages come, how long each runs, and how long it may wait."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, kw_only=True)
class Day:
    """One pattern of arrivals for one pool.

    times: gives the arrivals in order, seconds from the start. task_s: mean run time; run times are exponential.
    least, most: slots of the pool, whole workers of `slots_each`.
    """

    name: str
    says: str
    hours: float
    times: Callable[[Random, float], Iterator[float]]
    task_s: float
    max_wait_s: float
    least: int = 4
    most: int = 24
    slots_each: int = 4


def steady(per_s: float) -> Callable[[Random, float], Iterator[float]]:
    def times(random: Random, end: float) -> Iterator[float]:
        now = random.expovariate(per_s)
        while now < end:
            yield now
            now += random.expovariate(per_s)

    return times


def daily(night_per_s: float, noon_per_s: float) -> Callable[[Random, float], Iterator[float]]:
    def times(random: Random, end: float) -> Iterator[float]:
        for now in steady(noon_per_s)(random, end):
            share = (1 - math.cos(2 * math.pi * now / 86_400)) / 2
            if random.random() < (night_per_s + (noon_per_s - night_per_s) * share) / noon_per_s:
                yield now

    return times


def bursty(
    per_s: float, size: int, within_s: float, every_s: float
) -> Callable[[Random, float], Iterator[float]]:
    def times(random: Random, end: float) -> Iterator[float]:
        found = list(steady(per_s)(random, end))
        for began in steady(1 / every_s)(random, end):
            found += [began + random.random() * within_s for _ in range(size)]
        yield from sorted(it for it in found if it < end)

    return times


DAYS = (
    Day(
        name="steady",
        says="12 messages a second, 0.5 s each, may wait 2 s",
        hours=2,
        times=steady(12),
        task_s=0.5,
        max_wait_s=2,
    ),
    Day(
        name="bursty",
        says="1 a second, and 100 within 5 s every ten minutes or so; 0.5 s each, may wait 10 s",
        hours=6,
        times=bursty(1, 100, 5, 600),
        task_s=0.5,
        max_wait_s=10,
    ),
    Day(
        name="daily",
        says="from 0.5 a second at midnight to 16 at noon, 1 s each, may wait 10 s",
        hours=24,
        times=daily(0.5, 16),
        task_s=1.0,
        max_wait_s=10,
    ),
    Day(
        name="patient",
        says="600 within a minute, every half hour or so; 2 s each, may wait 15 min",
        hours=12,
        times=bursty(0.05, 600, 60, 1800),
        task_s=2.0,
        max_wait_s=900,
    ),
)
