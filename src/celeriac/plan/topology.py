"""The topology: a plan worked out into the list of processes to run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Literal

import msgspec

from celeriac.plan.flowers import FLOWER, flowers_of
from celeriac.plan.model import Plan

ProcessKind = Literal["worker", "recorder", "beat", "metrics", "flower"]

#: what a process other than a worker needs to finish the step it is in
_SERVICE_GRACE = timedelta(seconds=10)


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """One process to run, the same for `up` and for every renderer.

    name: unique in the topology: "web-1", "recorder", "beat", "metrics".
    argv: its command line; the first word is "celeriac".
    env: variables it needs over those of its parent.
    grace: how long it may take to stop before it is killed.
    pool, replica: of which pool a worker is, and which one of its replicas (1 first); None for the others.
    """

    name: str
    kind: ProcessKind
    argv: tuple[str, ...]
    env: dict[str, str] = {}
    grace: timedelta = _SERVICE_GRACE
    pool: str | None = None
    replica: int | None = None


def topology(plan: Plan) -> tuple[Process, ...]:
    """List the processes of a plan: workers in its order, a recorder, and beat, metrics and Flowers if it has them."""
    return tuple(_processes(plan))


def worker_process(plan: Plan, pool: str, replica: int) -> Process:
    """Give one worker of a declared pool, also one above its least number of replicas; 1 is the first."""
    return Process(
        name=f"{pool}-{replica}",
        kind="worker",
        argv=("celeriac", "worker", pool, "--replica", str(replica), *_plan_option(plan)),
        env=_env(plan),
        grace=plan.pools[pool].grace,
        pool=pool,
        replica=replica,
    )


def _plan_option(plan: Plan) -> tuple[str, ...]:
    return ("--plan", str(plan.source)) if plan.source else ()


def _env(plan: Plan) -> dict[str, str]:
    # A child reads the plan again: it must lay the same environment over it.
    return {"CELERIAC_ENV": plan.environment} if plan.environment else {}


def _processes(plan: Plan) -> Iterator[Process]:
    plan_option, env = _plan_option(plan), _env(plan)
    for name, pool in plan.pools.items():
        for replica in range(1, pool.workers.min + 1):
            yield worker_process(plan, name, replica)
    yield Process(name="recorder", kind="recorder", argv=("celeriac", "recorder", *plan_option), env=env)
    beats = bool(plan.schedules) if plan.beat.replicas is None else plan.beat.replicas
    for number in range(1, beats + 1):
        name = "beat" if beats == 1 else f"beat-{number}"
        yield Process(name=name, kind="beat", argv=("celeriac", "beat", *plan_option), env=env)
    if plan.metrics is not None:
        yield Process(name="metrics", kind="metrics", argv=("celeriac", "metrics", *plan_option), env=env)
    for name in flowers_of(plan):
        which = name.removeprefix(FLOWER).removeprefix("-")
        named = (which,) if which else ()
        yield Process(name=name, kind="flower", argv=("celeriac", "flower", *named, *plan_option), env=env)
