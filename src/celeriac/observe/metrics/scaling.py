"""Scaling: how many workers of a pool the work at hand would fill, told to whatever starts and stops them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import msgspec

from celeriac.observe.metrics.deadline import Deadlined
from celeriac.plan import Plan
from celeriac.plan.profiles import cpu_count, slots_of

#: KEDA gives up after 3 s
_ANSWERS_WITHIN_S = 2.5


class WorkReading(NamedTuple):
    """The work at a broker as it is now.

    ready: queue → messages of all priorities whose time has come.
    running: pool → tasks its workers run, on all hosts.
    """

    ready: Mapping[str, int]
    running: Mapping[str, int]


class WorkSource(Protocol):
    """Reads the work."""

    def __call__(self) -> WorkReading:
        """Look at queues and workers now.

        Raises: anything, if the broker does not answer.
        """
        ...


class PoolScale(msgspec.Struct, frozen=True, kw_only=True):
    """How many workers a pool could use now, and of what that was made.

    workers: (ready + running) / slots; whoever starts them rounds up, and keeps the plan's bounds.
    ready: messages that wait in the pool's queues, by queue in `queues`; a queue of two pools counts in both.
    running: tasks its workers run; slots: tasks one worker can run at once.
    """

    pool: str
    workers: float
    ready: int
    running: int
    slots: int
    queues: dict[str, int]


class Scaling:
    """Tells the scale of each pool of a plan."""

    def __init__(self, plan: Plan, work: WorkSource) -> None:
        self._plan = plan
        self._work = Deadlined("work", work, _ANSWERS_WITHIN_S)

    @property
    def pools(self) -> tuple[str, ...]:
        """The pools that can be asked about."""
        return tuple(self._plan.pools)

    def of(self, pool: str) -> PoolScale | None:
        """Tell the scale of a declared pool; None if the broker does not answer in time."""
        work = self._work()
        if work is None:
            return None
        declared = self._plan.pools[pool]
        queues = {name: work.ready.get(name, 0) for name in declared.queues}
        ready, running = sum(queues.values()), work.running.get(pool, 0)
        # Celery's own default; a worker elsewhere may have more, but never says so while none runs.
        slots = slots_of(declared) or cpu_count()
        return PoolScale(
            pool=pool,
            workers=round((ready + running) / slots, 3),
            ready=ready,
            running=running,
            slots=slots,
            queues=queues,
        )
