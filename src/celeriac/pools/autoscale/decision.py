"""The decision: a pure function from what there is to do to how many units there should be.

A unit is a slot of a worker, or a worker with several slots. Source: docs/design/0006-autoscale.md
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from celeriac.pools.autoscale.demand import Demand

#: of their time slots are busy: more, and it grows; less, and it shrinks
GROW_ABOVE, SHRINK_BELOW = 0.8, 0.6
#: between two growths, each of which doubles at most
GROW_EVERY_S = 2.0
#: of the units, that go in one step at most
SHRINK_BY = 0.25
#: sums of floats that are whole numbers in truth are not rounded up
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Bounds:
    """Least and most units, both included."""

    least: int
    most: int


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How quickly the number of units may change.

    cool_down_s: before a change of the other sign, and between two shrinks.
    calm_s: it shrinks to the largest need of so long.
    arrivals_s: over so long arrivals are averaged: a burst that may wait is no flood.
    """

    cool_down_s: float
    calm_s: float
    arrivals_s: float = 20.0

    @classmethod
    def of(cls, max_waits_s: Iterable[float | None], *, least_s: float = 5.0) -> Pace:
        """Give the pace that fits the strictest of these objectives; `least_s`: the shortest cool-down."""
        wait_s = min((wait for wait in max_waits_s if wait is not None), default=30.0)
        cool_down_s = min(max(wait_s, least_s), 60.0)
        return cls(
            cool_down_s=cool_down_s,
            calm_s=min(max(5 * wait_s, 12 * least_s), 300.0),
            arrivals_s=min(max(wait_s / 2, 20.0), 600.0),
        )


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What one decision leaves to the next; all times in steady seconds.

    needs: (when, units) of the calm window, only those that no later one exceeds.
    seen_at, watched_since: the last decision, and the first one without a gap before it.
    """

    needs: tuple[tuple[float, int], ...] = ()
    seen_at: float | None = None
    watched_since: float | None = None
    grown_at: float | None = None
    shrunk_at: float | None = None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """units: how many there should be now; because: why, in a few words."""

    units: int
    memory: Memory
    because: str


def decide(
    bounds: Bounds,
    pace: Pace,
    memory: Memory,
    demand: Demand,
    *,
    units: int,
    now: float,
    slots_each: int = 1,
) -> Decision:
    """Say how many units there should be.

    units: how many there are; slots_each: tasks one of them can run at once; now: steady seconds.
    Returns: within `bounds`, always.
    """
    wanted = _units(demand.need(GROW_ABOVE), slots_each)
    spared = max(wanted, _units(demand.need(SHRINK_BELOW), slots_each))
    floor = _units(demand.work, slots_each)
    memory = _remembered(memory, pace, spared, now)
    target, because = units, "enough"
    if units < bounds.least or units > bounds.most:
        target, because = min(max(units, bounds.least), bounds.most), "the plan's bounds"
    elif wanted > units:
        if _over(memory.shrunk_at, pace.cool_down_s, now) and _over(memory.grown_at, GROW_EVERY_S, now):
            target, because = min(wanted, max(2 * units, 1), bounds.most), _say(demand)
        else:
            because = "cooling down"
    else:
        enough = max(floor, bounds.least, *(need for _, need in memory.needs))
        is_calm = memory.watched_since is not None and now - memory.watched_since >= pace.calm_s
        cooled = _over(memory.grown_at, pace.cool_down_s, now) and _over(
            memory.shrunk_at, pace.cool_down_s, now
        )
        if enough < units and is_calm and cooled:
            step = max(int(units * SHRINK_BY), 1)
            target, because = max(enough, units - step), f"{enough} would do for {pace.calm_s:g}s"
    if target > units:
        memory = replace(memory, grown_at=now)
    elif target < units:
        memory = replace(memory, shrunk_at=now)
    return Decision(units=target, memory=memory, because=because)


def _units(slots: float, slots_each: int) -> int:
    return math.ceil(slots / slots_each - _ROUNDING)


def _over(since: float | None, span_s: float, now: float) -> bool:
    return since is None or now - since >= span_s


def _remembered(memory: Memory, pace: Pace, need: int, now: float) -> Memory:
    # Who was blind for a whole window does not know whether it was calm.
    is_gap = memory.seen_at is None or now - memory.seen_at > pace.calm_s
    kept = () if is_gap else memory.needs
    needs = tuple((at, it) for at, it in kept if at > now - pace.calm_s and it > need)
    since = now if is_gap else memory.watched_since
    return replace(memory, needs=(*needs, (now, need)), seen_at=now, watched_since=since)


def _say(demand: Demand) -> str:
    ages = [line.oldest_age_s for line in demand.lines if line.messages and line.oldest_age_s is not None]
    oldest = f", the oldest for {max(ages):.1f}s" if ages else ""
    late = ", too long" if any(line.is_late for line in demand.lines) else ""
    # A share of what several workers read may be half a message.
    return f"{math.ceil(demand.waiting)} wait{oldest}{late}, {demand.running} run"
