"""Profiles: ready-made pool settings for a kind of work.

    io      tasks that wait for networks: threads, 20 slots, 4 messages held for each slot, since they are short
    cpu     tasks that compute: prefork, one slot per CPU (of the host, or of the pool's resources where it has them),
            1 message a slot, so that none waits behind a long one
    ram     tasks that need much memory: prefork, 1 slot, 1 message a slot, its process replaced after 100 tasks or
            above 1 GiB, which gives back what fragmentation and leaks hold
    custom  prefork; everything else is what the Celery app says

On the executor asyncio a pool has 100 slots and holds 1 message for each, whatever its profile.
What the plan writes beside `profile` always wins.
"""

from __future__ import annotations

import math
import os
from typing import Any

import msgspec

from celeriac.plan.tables.pools import Pool, ProfileName
from celeriac.units import cpus

#: executors whose slots are processes, which can be replaced one by one
OF_PROCESSES = ("prefork", "processes")
_GIB = 2**30
_ASYNCIO = {"concurrency": 100, "prefetch": 1}


def cpu_count() -> int:
    """Count the CPUs this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def profile_values(profile: ProfileName) -> dict[str, Any]:
    """Give the pool fields a profile sets, by name."""
    values: dict[ProfileName, dict[str, Any]] = {
        "io": {"executor": "threads", "concurrency": 20, "prefetch": 4},
        "cpu": {"executor": "prefork", "concurrency": cpu_count(), "prefetch": 1},
        "ram": {
            "executor": "prefork",
            "concurrency": 1,
            "prefetch": 1,
            "max_tasks_per_child": 100,
            "max_memory_per_child": _GIB,
        },
        "custom": {"executor": "prefork"},
    }
    return values[profile]


def effective(pool: Pool) -> Pool:
    """Give the pool with its profile applied to every field it leaves out.

    A field is still None where neither the plan nor the profile says anything: the Celery app decides then.
    Settings of processes are left out for executors without any, and `concurrency` beside autoscale.
    """
    values = {
        name: value for name, value in profile_values(pool.profile).items() if getattr(pool, name) is None
    }
    executor = values.get("executor", pool.executor)
    if executor not in OF_PROCESSES:
        values.pop("max_tasks_per_child", None)
        values.pop("max_memory_per_child", None)
    if pool.autoscale is not None:
        values.pop("concurrency", None)
    if executor == "asyncio":
        # Coroutines cost little; what each message holds at the worker costs others their turn.
        values.update({name: it for name, it in _ASYNCIO.items() if getattr(pool, name) is None})
    if executor == "solo":
        values["concurrency"] = 1
    elif pool.profile == "cpu" and "concurrency" in values:
        # A container sees all CPUs of its host, however few it may use.
        values["concurrency"] = _own_cpus(pool) or values["concurrency"]
    return msgspec.structs.replace(pool, **values)


def slots_of(pool: Pool) -> int | None:
    """Say how many tasks one worker of a pool can run at once, on whatever host; None if its host decides."""
    if pool.autoscale is not None:
        return pool.autoscale.max
    if pool.profile == "cpu" and pool.concurrency is None and pool.executor in (None, *OF_PROCESSES):
        return _own_cpus(pool)
    return effective(pool).concurrency


def _own_cpus(pool: Pool) -> int | None:
    most = cpus(pool.resources.cpu or "") if pool.resources else None
    return math.ceil(most) if most else None
