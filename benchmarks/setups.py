"""What is compared: each setup is a broker, an app, and the command lines of its workers."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tests.servers.redis_server import RedisServer

PROGRAMS = Path(sys.executable).parent
Results = Literal["ignored", "stored"]


@dataclass(frozen=True)
class Setup:
    """One way to run tasks.

    on_redis: Celeriac's broker and results are on Redis, else in SQLite files.
    tasks: how many one measurement sends; enough for seconds of draining.
    idle_samples: latencies taken of an idle worker.
    """

    name: str
    app: str
    workers: tuple[tuple[str, ...], ...]
    tasks: int
    idle_samples: int
    results: Results = "ignored"
    on_redis: bool = False

    @property
    def title(self) -> str:
        return f"{self.name}, results {self.results}"


REDIS = "Celery, Redis, prefork 2"
SQLALCHEMY = "Celery, sqlalchemy+SQLite, prefork 2"

_STOCK_WORKER = (str(PROGRAMS / "celery"), "-A", "benchmarks.stock_app", "worker", "-l", "WARNING")
_PREFORK = (*_STOCK_WORKER, "-P", "prefork", "-c", "2")


def _celeriac(pool: str, replica: int = 1) -> tuple[str, ...]:
    return (
        *(str(PROGRAMS / "celeriac"), "-A", "benchmarks.celeriac_app:app"),
        *("worker", pool, "--replica", str(replica)),
    )


_IGNORED = (
    Setup(REDIS, "benchmarks.stock_app", (_PREFORK,), 5_000, 100),
    # It polls about once a second, so a hundred samples would take a minute a round.
    Setup(SQLALCHEMY, "benchmarks.stock_app", (_PREFORK,), 1_500, 15),
    Setup(
        "Celeriac, solo x 2",
        "benchmarks.celeriac_app",
        (_celeriac("solo"), _celeriac("solo", 2)),
        30_000,
        100,
    ),
    Setup(
        "Celeriac, Redis, solo x 2",
        "benchmarks.celeriac_app",
        (_celeriac("solo"), _celeriac("solo", 2)),
        30_000,
        100,
        on_redis=True,
    ),
    Setup(
        "Celeriac, Redis, prefork 2",
        "benchmarks.celeriac_app",
        (_celeriac("prefork"),),
        10_000,
        100,
        on_redis=True,
    ),
    Setup("Celeriac, prefork 2", "benchmarks.celeriac_app", (_celeriac("prefork"),), 10_000, 100),
    Setup("Celeriac, threads 20", "benchmarks.celeriac_app", (_celeriac("threads"),), 10_000, 100),
)
SETUPS = tuple(one for each in _IGNORED for one in (each, replace(each, results="stored")))

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
[pools.prefork]
queues = ["default"]
prefetch = 100
executor = "prefork"
concurrency = 2
[pools.threads]
queues = ["default"]
prefetch = 100
profile = "io"
"""


def environ_of(setup: Setup, folder: Path, redis: RedisServer | None) -> dict[str, str]:
    """Say by which variables the setup's app finds its broker and results; writes its plan into `folder`.

    redis: needed by the setups on Redis only.
    """
    told = {
        "BENCH_IGNORE_RESULTS": "1" if setup.results == "ignored" else "0",
        "BENCH_TICKS": str(folder / "ticks"),
    }
    if setup.app == "benchmarks.celeriac_app":
        plan = folder / "celeriac.toml"
        places = ("sqlite:///broker.db", "sqlite:///results.db")
        if setup.on_redis:
            assert redis is not None
            places = (redis.database(0), redis.database(1))
        plan.write_text(PLAN.format(broker=places[0], results=places[1]))
        return {**told, "BENCH_PLAN": str(plan), "CELERIAC_PLAN": str(plan)}
    if setup.name == REDIS:
        assert redis is not None
        return {**told, "BENCH_BROKER": redis.database(0), "BENCH_RESULTS": redis.database(1)}
    return {
        **told,
        "BENCH_BROKER": f"sqla+sqlite:///{folder}/broker.db",
        "BENCH_RESULTS": f"db+sqlite:///{folder}/results.db",
    }
