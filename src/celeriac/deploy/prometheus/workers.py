"""Workers: gone, hung, too few, or all busy for long; and nobody there to ask."""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.deploy.prometheus.queues import MESSAGES
from celeriac.deploy.prometheus.rules import MINUTE, Alert, Group, Proof, Recording, any_of, series
from celeriac.deploy.prometheus.selecting import Selector, by_pool
from celeriac.observe.metrics import names
from celeriac.plan import Plan
from celeriac.units import say_duration

WORKERS_UP = "celeriac:pool_workers_up:sum"
SLOTS = "celeriac:pool_slots:sum"
BUSY = "celeriac:pool_busy_slots:sum"

#: seconds without a turn of its loop after which a worker hangs; `celeriac probe` says so after ten
HANGS_AFTER = 30


def group(plan: Plan) -> Group:
    """Give the rules of the workers and their pools."""
    of = Selector(f'="{plan.name}"')
    each = (
        (WORKERS_UP, names.WORKER_UP),
        (SLOTS, names.WORKER_SLOTS),
        (BUSY, names.WORKER_BUSY),
    )
    return Group(
        name="workers",
        recordings=tuple(
            Recording(name, f"sum by (job, pool) ({by_pool(of(family))})") for name, family in each
        ),
        alerts=tuple(_alerts(plan, of)),
    )


def _alerts(plan: Plan, of: Selector) -> Iterator[Alert]:
    yield Alert(
        name="NotWatched",
        expr=f"absent({of.up} == 1)",
        wait=5 * MINUTE,
        severity="critical",
        summary="Nobody answers for " + plan.name,
        description="No `celeriac metrics` of "
        + plan.name
        + " answers a scrape, so none of the other alerts can fire.",
        labels={"job": plan.name},
        proofs=(Proof(fires={series(plan, "up"): "0x40"}, quiet={series(plan, "up"): "1x40"}),),
    )
    yield _hung(plan, of)
    for name, pool in plan.pools.items():
        least = pool.workers.min
        if least >= 1:
            yield _pool_down(plan, of, name)
        if least >= 2:
            yield _missing(plan, of, name, least)
        if pool.workers.max >= 1:
            yield _saturated(plan, of, name, pool.queues)


def _hung(plan: Plan, of: Selector) -> Alert:
    age = series(plan, names.WORKER_BEAT_AGE.name, worker="web-1@a")
    return Alert(
        name="WorkerHung",
        expr=f"{of(names.WORKER_BEAT_AGE)} > {HANGS_AFTER}",
        wait=2 * MINUTE,
        severity="warning",
        summary="The worker {{ $labels.worker }} hangs or is gone",
        description="Its loop has not turned for {{ $value | humanizeDuration }}. What it held runs again elsewhere.",
        proofs=(
            Proof(
                fires={age: f"{HANGS_AFTER + 1}x40"},
                quiet={age: f"{HANGS_AFTER}x40"},
                labels={"worker": "web-1@a", "instance": "a:9540"},
            ),
        ),
    )


def _up_of(of: Selector, pool: str) -> str:
    """Count a pool's workers; 0 if there are none, nothing if nobody is there to ask."""
    workers = of.recorded(WORKERS_UP, f'pool="{pool}"')
    return f"(sum by (job) ({workers}) or 0 * max by (job) ({of.up} == 1))"


def _pool_down(plan: Plan, of: Selector, pool: str) -> Alert:
    worker = series(plan, names.WORKER_UP.name, worker=f"{pool}-1@a")
    up = {series(plan, "up"): "1x40"}
    return Alert(
        name="PoolDown",
        expr=f"{_up_of(of, pool)} == 0",
        why=f"[pools.{pool}].replicas",
        wait=2 * MINUTE,
        severity="critical",
        summary=f"No worker of the pool {pool} runs",
        description=f"The plan of {plan.name} wants one at least; its queues wait.",
        labels={"pool": pool},
        proofs=(
            Proof(fires={**up, worker: "1x10 0x30"}, quiet={**up, worker: "0x10 1x30"}),
            # The pods are gone, and their series with them; a scrape that fails tells nothing of a pool.
            Proof(
                fires={**up, worker: "1x5 stale"}, quiet={series(plan, "up"): "1x5 0x35", worker: "1x5 stale"}
            ),
        ),
    )


def _missing(plan: Plan, of: Selector, pool: str, least: int) -> Alert:
    def up(count: int) -> dict[str, str]:
        workers = {
            series(plan, names.WORKER_UP.name, worker=f"{pool}-{number}@a"): "1x40"
            for number in range(1, count + 1)
        }
        return {series(plan, "up"): "1x40", **workers}

    return Alert(
        name="WorkersMissing",
        expr=f"{_up_of(of, pool)} < {least}",
        why=f"[pools.{pool}].replicas",
        wait=10 * MINUTE,
        severity="warning",
        summary=f"Workers of the pool {pool} are missing",
        description=f"{{{{ $value }}}} run; the plan of {plan.name} wants {least} at least.",
        labels={"pool": pool},
        proofs=(Proof(fires=up(least - 1), quiet=up(least)),),
    )


def _saturated(plan: Plan, of: Selector, pool: str, queues: tuple[str, ...]) -> Alert:
    mine = f'pool="{pool}"'
    slots = series(plan, names.WORKER_SLOTS.name, worker=f"{pool}-1@a")
    busy = series(plan, names.WORKER_BUSY.name, worker=f"{pool}-1@a")
    ready = series(plan, names.QUEUE_MESSAGES.name, queue=queues[0], state="ready")
    for_so_long = plan.alerts.saturated
    waiting = of.recorded(MESSAGES, f'queue=~"{any_of(queues)}"', 'state="ready"')
    minutes = round(for_so_long.total_seconds() / 60) + 20
    lasting = f"x{minutes + 10}"
    return Alert(
        name="PoolSaturated",
        expr=f"{of.recorded(BUSY, mine)} >= {of.recorded(SLOTS, mine)}\nand on (job) "
        f"sum by (job) ({waiting}) > 0",
        why=f"queues of [pools.{pool}]; for [alerts].saturated {say_duration(for_so_long)}",
        wait=for_so_long,
        severity="warning",
        summary=f"All slots of the pool {pool} are busy, and tasks wait",
        description="{{ $value }} slots run tasks; more workers would help, or fewer, shorter tasks.",
        labels={"pool": pool},
        proofs=(
            Proof(
                fires={slots: f"4{lasting}", busy: f"4{lasting}", ready: f"1{lasting}"},
                quiet={slots: f"4{lasting}", busy: f"3{lasting}", ready: f"1{lasting}"},
                minutes=minutes,
            ),
            Proof(
                fires={slots: f"1{lasting}", busy: f"1{lasting}", ready: f"9{lasting}"},
                quiet={slots: f"1{lasting}", busy: f"1{lasting}", ready: f"0{lasting}"},
                minutes=minutes,
            ),
        ),
    )
