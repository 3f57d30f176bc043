"""One day under one rule: a queue, slots that come and go, and what that costs."""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import Any

from benchmarks.autoscale.arrivals import Day
from benchmarks.autoscale.rules import Rule, Sight

_ARRIVE, _END, _READY, _LOOK = range(4)


@dataclass(kw_only=True)
class Outcome:
    """What a rule has made of a day.

    slots: (seconds, slots) at each change; waiting: (seconds, messages) at each look.
    """

    tasks: int = 0
    late: int = 0
    waits: list[float] = field(default_factory=list)
    slot_hours: float = 0.0
    changes: int = 0
    turns: int = 0
    slots: list[tuple[float, int]] = field(default_factory=list)
    waiting: list[tuple[float, int]] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """Give what is written down: percents, seconds, hours, counts."""
        waits = sorted(self.waits)
        return {
            "tasks": self.tasks,
            "late": self.late,
            "late_percent": round(100 * self.late / max(self.tasks, 1), 2),
            "wait_p50_s": round(waits[len(waits) // 2], 2),
            "wait_p99_s": round(waits[int(len(waits) * 0.99)], 2),
            "slot_hours": round(self.slot_hours, 2),
            "changes": self.changes,
            "turns": self.turns,
        }


def simulate(day: Day, rule: Rule, seed: int) -> Outcome:
    """Run a day. A slot that goes ends its task first; slots cost from their start until they are gone."""
    random = Random(seed)
    end = day.hours * 3600
    arrivals = [(at, random.expovariate(1 / day.task_s)) for at in day.times(random, end)]
    events: list[tuple[float, int, int, float]] = [
        (at, _ARRIVE, number, runs) for number, (at, runs) in enumerate(arrivals)
    ]
    heapq.heapify(events)
    heapq.heappush(events, (0.0, _LOOK, -1, 0.0))
    queue: deque[tuple[float, float]] = deque()
    units = day.least // rule.slots_each
    outcome = Outcome(tasks=len(arrivals), slots=[(0.0, units * rule.slots_each)])
    ready, running, ended, number, last, sign = units, 0, 0, len(arrivals), 0.0, 0

    def look(now: float) -> None:
        nonlocal units, ready, number, sign
        sight = Sight(
            now=now,
            ready=len(queue),
            oldest_age_s=now - queue[0][0] if queue else None,
            running=running,
            ended=ended,
            units=units,
        )
        wanted = rule.units(sight)
        if wanted == units:
            return
        outcome.changes += 1
        outcome.turns += sign != 0 and (wanted > units) != (sign > 0)
        sign = 1 if wanted > units else -1
        for _ in range(wanted - units):
            number += 1
            heapq.heappush(events, (now + rule.starts_within_s, _READY, number, 0.0))
        if wanted < units:
            ready = min(ready, wanted)
        units = wanted
        outcome.slots.append((now, units * rule.slots_each))

    while events:
        now, what, _, runs = heapq.heappop(events)
        if now > end and not queue and not running:
            break
        outcome.slot_hours += (now - last) * max(units * rule.slots_each, running) / 3600
        last = now
        if what == _ARRIVE:
            queue.append((now, runs))
            if rule.sees_arrivals:
                look(now)
        elif what == _END:
            running, ended = running - 1, ended + 1
        elif what == _READY:
            ready = min(ready + 1, units)
        else:
            look(now)
            outcome.waiting.append((now, len(queue)))
            heapq.heappush(events, (now + rule.every_s, _LOOK, -1, 0.0))
        while queue and running < ready * rule.slots_each:
            came, takes = queue.popleft()
            running, number = running + 1, number + 1
            outcome.waits.append(now - came)
            outcome.late += now - came > day.max_wait_s
            heapq.heappush(events, (now + takes, _END, number, 0.0))
    return outcome
