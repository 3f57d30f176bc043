"""What is compared: each system is a module of `apps`, and the command lines of its workers."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from tests.servers.redis_server import RedisServer

PROGRAMS = Path(sys.executable).parent
#: saq cannot be installed beside taskiq-redis: they want different redis-py
SAQ_PROGRAMS = PROGRAMS.parents[1] / "saq" / "bin"

#: naps a system takes at once, over all of its worker processes
NAPS_AT_ONCE = 1000


@dataclass(frozen=True)
class System:
    """One way to run tasks.

    app: the module of `benchmarks.apps`.
    workers: for short tasks, two slots in all, or as many as the system has by default.
    nappers: for naps, NAPS_AT_ONCE in all; empty if the system is not made for that. processes: of the nappers.
    tasks: how many one measurement sends, enough for seconds of draining.
    sends_in_bulk: it has a way to send many at once. is_embedded: its broker and results are SQLite files, not Redis.
    loses: how it loses tasks when a process is killed; empty if it does not.
    """

    name: str
    app: str
    workers: tuple[tuple[str, ...], ...]
    tasks: int
    nappers: tuple[tuple[str, ...], ...] = ()
    processes: int = 2
    sends_in_bulk: bool = False
    is_embedded: bool = False
    loses: str = ""
    programs: Path = PROGRAMS

    @property
    def python(self) -> str:
        return str(self.programs / "python")

    @property
    def is_ours(self) -> bool:
        return self.app == "ours"


def _program(name: str) -> str:
    return str(PROGRAMS / name)


def _stock(*arguments: str) -> tuple[str, ...]:
    return (_program("celery"), "-A", "benchmarks.apps.stock", "worker", "-l", "WARNING", *arguments)


def _celeriac(pool: str, replica: int = 1) -> tuple[str, ...]:
    told = ("-A", "benchmarks.apps.ours:app", "worker", pool, "--replica", str(replica))
    return (_program("celeriac"), *told)


_PER_PROCESS = str(NAPS_AT_ONCE // 2)
_POPS = "a message popped by BRPOP is in the worker's memory only"


def _taskiq(*more: str) -> tuple[str, ...]:
    told = ("worker", "benchmarks.apps.with_taskiq:broker", "--workers", "2", "--log-level", "WARNING")
    return (_program("taskiq"), *told, *more)


def _saq() -> tuple[str, ...]:
    return (str(SAQ_PROGRAMS / "saq"), "benchmarks.apps.with_saq.settings", "--workers", "2")


def _dramatiq(threads: str) -> tuple[str, ...]:
    return (_program("dramatiq"), "benchmarks.apps.with_dramatiq", "-p", "2", "-t", threads)


def _huey(*more: str) -> tuple[str, ...]:
    return (_program("huey_consumer"), "benchmarks.apps.with_huey.huey", "-l", "/dev/null", *more)


STOCK = System(
    "Celery, prefork 2",
    "stock",
    (_stock("-P", "prefork", "-c", "2"),),
    4_000,
    sends_in_bulk=True,
    loses=_POPS,
)
SYSTEMS = (
    STOCK,
    System(
        "Celery, solo × 2",
        "stock",
        (_stock("-P", "solo", "-n", "a@%h"), _stock("-P", "solo", "-n", "b@%h")),
        4_000,
        sends_in_bulk=True,
        loses=_POPS,
    ),
    System(
        "Celery, gevent × 2",
        "stock",
        tuple(_stock("-P", "gevent", "-c", "20", "-n", f"{name}@%h") for name in "ab"),
        4_000,
        nappers=tuple(_stock("-P", "gevent", "-c", _PER_PROCESS, "-n", f"{name}@%h") for name in "ab"),
        sends_in_bulk=True,
        loses=_POPS,
    ),
    System(
        "taskiq, streams, 2 processes",
        "with_taskiq",
        (_taskiq(),),
        8_000,
        nappers=(_taskiq("--max-async-tasks", _PER_PROCESS),),
        sends_in_bulk=True,
    ),
    System(
        "saq, 2 processes",
        "with_saq",
        (_saq(),),
        8_000,
        nappers=(_saq(),),
        sends_in_bulk=True,
        programs=SAQ_PROGRAMS,
    ),
    System(
        "dramatiq, 2 × 8 threads",
        "with_dramatiq",
        (_dramatiq("8"),),
        6_000,
        nappers=(_dramatiq(_PER_PROCESS),),
    ),
    System(
        "huey, 2 processes",
        "with_huey",
        (_huey("-k", "process", "-w", "2"),),
        10_000,
        nappers=(_huey("-k", "greenlet", "-w", str(NAPS_AT_ONCE)),),
        processes=1,
        loses="a task popped by BRPOP is gone when its consumer dies",
    ),
    System(
        "Celeriac, solo × 2",
        "ours",
        (_celeriac("solo"), _celeriac("solo", 2)),
        20_000,
        sends_in_bulk=True,
    ),
    System("Celeriac, processes 2", "ours", (_celeriac("processes"),), 20_000, sends_in_bulk=True),
    System("Celeriac, prefork 2", "ours", (_celeriac("prefork"),), 6_000, sends_in_bulk=True),
    System(
        "Celeriac, asyncio × 2",
        "ours",
        (_celeriac("asyncio"), _celeriac("asyncio", 2)),
        10_000,
        nappers=(_celeriac("asyncio"), _celeriac("asyncio", 2)),
        sends_in_bulk=True,
    ),
    System(
        "Celeriac without a server, solo × 2",
        "ours",
        (_celeriac("solo"), _celeriac("solo", 2)),
        10_000,
        sends_in_bulk=True,
        is_embedded=True,
    ),
)

PLAN = """\
[celeriac]
name = "bench"
broker = "{broker}"
results = "{results}"
state = "sqlite:///records.db"

[queues.default]

[pools.solo]
queues = ["default"]
prefetch = 100
executor = "solo"
replicas = 2
[pools.processes]
queues = ["default"]
prefetch = 100
executor = "processes"
concurrency = 2
[pools.prefork]
queues = ["default"]
prefetch = 100
executor = "prefork"
concurrency = 2
[pools.asyncio]
queues = ["default"]
executor = "asyncio"
concurrency = {naps}
replicas = 2
"""


def environ_of(system: System, folder: Path, redis: RedisServer, *, stored: bool) -> dict[str, str]:
    """Say by which variables a system finds its Redis; writes Celeriac's plan into `folder`."""
    told = {
        "BENCH_REDIS": redis.url.removesuffix("/0"),
        "BENCH_STORED": "1" if stored else "0",
        "BENCH_TICKS": str(folder / "ticks"),
        "BENCH_NAPPERS": "",
        # Nobody writes a line for each task.
        "CELERY_LOGLEVEL": "WARNING",
    }
    if system.is_ours:
        plan = folder / "celeriac.toml"
        places = ("sqlite:///broker.db", "sqlite:///results.db")
        broker, results = places if system.is_embedded else (redis.database(0), redis.database(1))
        plan.write_text(PLAN.format(broker=broker, results=results, naps=NAPS_AT_ONCE // 2))
        told |= {"BENCH_PLAN": str(plan), "CELERIAC_PLAN": str(plan)}
    return told
