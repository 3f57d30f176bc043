"""What a task costs, and the pool that suits it."""

from __future__ import annotations

import math
import os
import resource
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal, NamedTuple

import django

MIB = 2**20
#: above this, memory decides how many tasks fit on a machine
MUCH_BYTES = 512 * MIB
#: below this a task is over before it could hold another one up, whatever it does meanwhile
SHORT_S = 0.05
#: how full slots may be: with more, queues grow whenever work does not come evenly
FULL = 0.7


class Cost(NamedTuple):
    """What one task took, alone in a fresh process.

    wall_s, cpu_s: the mean of its runs, without the time in which others had the processors.
    peak_bytes: the process at its largest, with the site loaded.
    threads: those it left behind.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int
    threads: int

    @property
    def cpu_share(self) -> float:
        """How much of its time it computes, 0 to 1."""
        return min(self.cpu_s / self.wall_s, 1.0) if self.wall_s else 0.0


Profile = Literal["io", "cpu", "ram"]


class Size(NamedTuple):
    """A pool for one kind of task.

    slots: processes of a worker. child_bytes: above which a process is replaced. worker_bytes: all of them together.
    """

    profile: Profile
    slots: int
    child_bytes: int
    worker_bytes: int


def measure(task: str, calls: Sequence[Sequence[Any]]) -> tuple[Cost, list[Any]]:
    """Run a task once for each list of arguments, in a process of its own; give its cost, and what it returned."""
    with ProcessPoolExecutor(1, get_context("spawn"), django.setup) as process:
        return process.submit(_measured, task, calls).result()


def _measured(name: str, calls: Sequence[Sequence[Any]]) -> tuple[Cost, list[Any]]:
    from showcase.publisher import app  # noqa: PLC0415 - in the new process, once Django is ready

    app.loader.import_default_modules()
    task = app.tasks[name]
    cpu, queued, wall = _cpu_s(), _queued_s(), time.perf_counter()
    results = [task.apply(arguments, throw=True).get() for arguments in calls]
    wall_s = time.perf_counter() - wall - (_queued_s() - queued)
    cpu_s = _cpu_s() - cpu
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    left = sum(_is_left(each) for each in threading.enumerate())
    return Cost(wall_s / len(calls), cpu_s / len(calls), peak_bytes, left), results


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _queued_s() -> float:
    """Say how long this thread could have run, but had no processor; 0 where the system does not count that.

    Source: the second number of /proc/PID/schedstat, in nanoseconds.
    """
    counted = Path("/proc/self/schedstat")
    return int(counted.read_text().split()[1]) / 1e9 if counted.exists() else 0.0


def _is_left(thread: threading.Thread) -> bool:
    # The process pool's own thread, in which results go back, is none of the task's.
    return thread is not threading.main_thread() and thread.name != "QueueFeederThread"


def size_for(cost: Cost, cpus: int | None = None) -> Size:
    """Choose the pool for tasks of this cost, on a host with `cpus` processors; None: those of this one."""
    cpus = cpus or os.cpu_count() or 1
    profile, slots = _kind(cost, cpus)
    return Size(profile, slots, _rounded(2 * cost.peak_bytes), _rounded(slots * cost.peak_bytes * 1.25))


def _kind(cost: Cost, cpus: int) -> tuple[Profile, int]:
    if cost.peak_bytes > MUCH_BYTES:
        return "ram", 1
    if cost.cpu_share >= 0.5 and cost.wall_s >= SHORT_S:
        return "cpu", cpus
    return "io", min(math.ceil(cpus / max(cost.cpu_share, 0.05)), 20 * cpus)


def slots_for(rate: float, mean_run_s: float) -> int:
    """Say how many slots tasks need that come at `rate` a second."""
    return max(math.ceil(rate * mean_run_s / FULL), 1)


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value that a share of the values does not exceed: the nearest rank; 0 without values."""
    ranked = sorted(values)
    return ranked[max(math.ceil(share * len(ranked)) - 1, 0)] if ranked else 0.0


def _rounded(size: float) -> int:
    return math.ceil(size / (64 * MIB)) * 64 * MIB
