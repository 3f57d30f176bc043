"""A watch over the queues of one worker or pool: keeps what one decision leaves to the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from celeriac.pools.autoscale.decision import Bounds, Decision, Memory, Pace, decide
from celeriac.pools.autoscale.demand import Demand, Line, Rates
from celeriac.pools.autoscale.meter import Meter


@dataclass(frozen=True, kw_only=True)
class QueueSight:
    """One queue as it was just seen.

    messages: ready or due; consumers: workers that read it, None where nobody tells.
    oldest_age_s: of the oldest; None where nobody tells, or none waits.
    """

    name: str
    messages: int
    oldest_age_s: float | None = None
    consumers: int | None = None


class Watch:
    """Decides again and again how many units there should be.

    max_waits_s: queue → its objective; None: it has none.
    slots_each: tasks that one unit can run at once.
    is_shared: this is one of the workers that read the queues, which scales its slots for its share; else all of them.
    """

    def __init__(
        self, max_waits_s: Mapping[str, float | None], *, slots_each: int = 1, is_shared: bool = False
    ) -> None:
        self._max_waits_s = max_waits_s
        self._slots_each = slots_each
        self._is_shared = is_shared
        # Starting a worker costs seconds, a slot a fraction of one.
        self.pace = Pace.of(max_waits_s.values(), least_s=5.0 if is_shared else 15.0)
        self._memory = Memory()
        self._meter = Meter(self.pace.arrivals_s)
        self._filled_at: dict[str, float] = {}

    def decide(
        self,
        bounds: Bounds,
        sights: Iterable[QueueSight],
        *,
        units: int,
        running: int,
        ended: int,
        now: float,
        held: int = 0,
    ) -> Decision:
        """Say how many units there should be.

        units: how many there are; running, ended: tasks that run now, that ended since the start; now: steady seconds.
        held: messages that were fetched and do not run yet.
        """
        seen = [it for it in sights if it.name in self._max_waits_s]
        waiting = sum(self._share(it) for it in seen) + held
        rates = self._meter.see(now, ended=ended, running=running, waiting=waiting)
        lines = [self._line(it, rates, running, now) for it in seen]
        if held:
            lines.append(Line(messages=held, max_wait_s=self._strictest()))
        demand = Demand(lines=tuple(lines), running=running, rates=rates)
        decision = decide(
            bounds, self.pace, self._memory, demand, units=units, now=now, slots_each=self._slots_each
        )
        self._memory = decision.memory
        return decision

    def _share(self, sight: QueueSight) -> float:
        return sight.messages / max(sight.consumers or 1, 1) if self._is_shared else sight.messages

    def _strictest(self) -> float | None:
        return min((it for it in self._max_waits_s.values() if it is not None), default=None)

    def _line(self, sight: QueueSight, rates: Rates, running: int, now: float) -> Line:
        share = self._share(sight)
        age_s = sight.oldest_age_s
        if not sight.messages:
            self._filled_at.pop(sight.name, None)
        elif age_s is None:
            age_s = now - self._filled_at.setdefault(sight.name, now)
            if rates.task_s is not None and running:
                # A queue that is never empty, and flows, holds nothing old.
                age_s = min(age_s, share * rates.task_s / running)
        return Line(messages=share, oldest_age_s=age_s, max_wait_s=self._max_waits_s[sight.name])
