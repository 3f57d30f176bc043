"""Units: the topology grouped into what a target declares once, however many replicas of it run."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec

from celeriac.plan import Plan, Pool, Process, Replicas, effective, topology
from celeriac.plan.flowers import flowers_of, host_and_port
from celeriac.plan.topology import ProcessKind
from celeriac.units import say_duration

#: from the end of its grace until a process is killed, as `up` does it
DROP = timedelta(seconds=5)
#: where every container listens, whatever address the plan says for a host
EVERYWHERE = "0.0.0.0"  # noqa: S104 - who may reach a container is for its network to say


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of process with all its replicas.

    name: what the plan calls it: the pool, or "recorder", "beat", "metrics", "flower", "flower-NAME".
    title: what targets call it: [deploy.names] of the plan, else the name.
    argv: the command line without what only one replica or one folder has; the first word is "celeriac".
    replicas: how many of it run.
    pool: of a worker, with its profile applied.
    longest: the longest a task of the pool may run by its limits; None: nothing says.
    stop_after: how long it may take to stop before it is killed, and `why` that long.
    port: where it listens, if it does; health: the path there that answers while it lives.
    """

    name: str
    title: str
    kind: ProcessKind
    argv: tuple[str, ...]
    replicas: Replicas
    pool: Pool | None = None
    longest: timedelta | None = None
    stop_after: timedelta
    why: str
    port: int | None = None
    health: str = ""


def units(plan: Plan) -> tuple[Unit, ...]:
    """Group the topology of a plan."""
    # One of each, also of what runs none now: a target declares it, a scaler may start it.
    one_each = msgspec.structs.replace(
        plan,
        source=None,
        pools={name: msgspec.structs.replace(pool, replicas=1) for name, pool in plan.pools.items()},
        beat=plan.beat if not plan.beat.replicas else msgspec.structs.replace(plan.beat, replicas=1),
    )
    return tuple(_unit(plan, process) for process in topology(one_each))


def whole_seconds(span: timedelta) -> int:
    """Give a span in seconds, rounded up: what a target is told to wait is never less than was meant."""
    return -(-span // timedelta(seconds=1))


def image_of(plan: Plan) -> str:
    """The image of every container."""
    return plan.deploy.image or f"{plan.name.lower()}:latest"


def listening(unit: Unit) -> tuple[str, ...]:
    """Give the command line of a unit in a container, where it listens at every address of its own network."""
    if unit.port is None:
        return unit.argv
    return (*unit.argv, "--address", f"{EVERYWHERE}:{unit.port}")


def writable_folders(plan: Plan) -> tuple[str, ...]:
    """List the folders, inside the project's, that its processes write to beside the state folder."""
    logs = [Path(file.path).parent for file in plan.logs.files.values()] if plan.logs else []
    inside = [str(folder) for folder in logs if not folder.is_absolute() and str(folder) != "."]
    return tuple(dict.fromkeys((*plan.deploy.writable, *inside)))


def volume_of(folder: str) -> str:
    """Name the volume that holds a folder of the project."""
    return folder.lower().replace("/", "-").replace(".", "-").replace("_", "-")


def at_least(unit: Unit) -> int:
    """How many of a unit run on a host, where nothing starts one when work comes."""
    return max(unit.replicas.min, min(unit.replicas.max, 1))


def _unit(plan: Plan, process: Process) -> Unit:
    name = process.pool or process.name
    title = plan.deploy.names.get(name, name)
    if process.pool is None:
        return Unit(
            name=name,
            title=title,
            kind=process.kind,
            argv=process.argv,
            replicas=_services(plan, process),
            stop_after=process.grace + DROP,
            why=f"{say_duration(process.grace)} to finish a step",
            port=_port(plan, process),
            health=_health(plan, process),
        )
    pool = effective(plan.pools[process.pool])
    longest = longest_task(plan, process.pool)
    span, why = pool.grace, f"[pools.{name}].grace {say_duration(pool.grace)}"
    if longest and 2 * longest > span:
        span, why = 2 * longest, f"twice the longest task, {say_duration(longest)}"
    return Unit(
        name=name,
        title=title,
        kind=process.kind,
        argv=process.argv[: process.argv.index("--replica")],
        replicas=pool.workers,
        pool=pool,
        longest=longest,
        stop_after=span + DROP,
        why=why,
    )


def longest_task(plan: Plan, pool_name: str) -> timedelta | None:
    """Say how long a task of a pool may run at most: by the pool, and by the policies of what its queues carry."""
    pool = effective(plan.pools[pool_name])
    limits = [pool.time_limit]
    for policy in plan.tasks.values():
        if (policy.queue or plan.default_queue) in pool.queues:
            limits.append(policy.time_limit)
    return max((limit for limit in limits if limit), default=None)


def _services(plan: Plan, process: Process) -> Replicas:
    count = (plan.beat.replicas or 1) if process.kind == "beat" else 1
    return Replicas(min=count, max=count)


def _health(plan: Plan, process: Process) -> str:
    if process.kind == "metrics":
        return "/health/live"
    if process.kind != "flower":
        return ""
    # Flower answers everything under its prefix.
    prefix = flowers_of(plan)[process.name].url_prefix.strip("/")
    return f"/{prefix}/healthcheck" if prefix else "/healthcheck"


def _port(plan: Plan, process: Process) -> int | None:
    address = None
    if process.kind == "metrics" and plan.metrics is not None:
        address = plan.metrics.address
    elif process.kind == "flower":
        address = flowers_of(plan)[process.name].address
    found = host_and_port(address) if address else None
    return found[1] if found else None
