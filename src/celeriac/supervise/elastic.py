"""Elastic pools: how many workers `celeriac up` runs of the pools whose replicas have two bounds."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from celeriac.plan import Plan, Process, worker_process
from celeriac.plan.profiles import cpu_count, slots_of
from celeriac_probe import pulse

if TYPE_CHECKING:
    from celeriac.app.sounding import Looker
    from celeriac.pools.autoscale import Decision, Watch


class ElasticPool:
    """One pool between its bounds.

    name: the pool's.
    """

    def __init__(self, plan: Plan, name: str, watch: Watch, pulses: Path) -> None:
        self.name = name
        self._plan = plan
        self._watch = watch
        self._pulses = pulses
        self.least, self.most = plan.pools[name].workers.min, plan.pools[name].workers.max

    def decide(self, looker: Looker, workers: Collection[str]) -> Decision | None:
        """Say how many workers there should be; None while the broker does not answer.

        workers: the names of those that run and are to go on.
        """
        from celeriac.pools.autoscale import Bounds  # noqa: PLC0415 - with two bounds only

        seen = looker.latest()
        if seen is None:
            return None
        running = ended = 0
        for each in pulse.read_all(str(self._pulses)):
            if each.alive and each.name.partition("@")[0] in workers:
                running, ended = running + each.busy, ended + each.ended
        return self._watch.decide(
            Bounds(self.least, self.most),
            seen.sights,
            units=len(workers),
            running=running,
            ended=ended,
            now=time.monotonic(),
        )

    def another(self, taken: Collection[str]) -> Process:
        """Give the first worker of the pool whose name is not taken."""
        replica = 1
        while (process := worker_process(self._plan, self.name, replica)).name in taken:
            replica += 1
        return process


class Elastic:
    """The elastic pools of a plan, and what looks at their queues."""

    def __init__(self, pools: Iterable[ElasticPool], looker: Looker) -> None:
        self.pools = tuple(pools)
        self.looker = looker


def elastic_pools(plan: Plan) -> list[str]:
    """Name the pools whose number of workers has two bounds."""
    return [name for name, pool in plan.pools.items() if pool.workers.min < pool.workers.max]


def elastic_of(plan: Plan, names: Iterable[str]) -> Elastic | None:
    """Give these elastic pools of a plan, ready to be looked after; None if there is none.

    Imports Celery, by which the broker is asked.
    """
    chosen = list(names)
    if not chosen:
        return None
    from celeriac.app import create_app  # noqa: PLC0415 - `up` does without Celery where it can
    from celeriac.app.sounding import Looker, max_waits_s  # noqa: PLC0415
    from celeriac.observe.places import pulses_folder  # noqa: PLC0415
    from celeriac.pools.autoscale import Watch  # noqa: PLC0415

    queues = list(dict.fromkeys(queue for name in chosen for queue in plan.pools[name].queues))
    pools = [
        ElasticPool(
            plan,
            name,
            Watch(
                max_waits_s(plan, plan.pools[name].queues),
                slots_each=slots_of(plan.pools[name]) or cpu_count(),
            ),
            pulses_folder(plan),
        )
        for name in chosen
    ]
    return Elastic(pools, Looker(create_app(plan), queues, room="supervise"))
