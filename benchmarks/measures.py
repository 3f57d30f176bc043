"""The measurements of one system, on a Redis and in a folder of its own."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from tests.servers.redis_server import RedisServer, running_redis

from benchmarks.runner import Runner, memory_mb
from benchmarks.systems import NAPS_AT_ONCE, System, environ_of


@dataclass(frozen=True)
class Extent:
    """How much a run measures.

    scale: times the tasks of a system. idle: samples of latency. payloads: bytes → tasks. naps: tasks.
    """

    scale: float
    idle: int
    payloads: dict[int, int]
    naps: int


FULL = Extent(1.0, 100, {1_000: 3_000, 100_000: 500}, 6_000)
QUICK = Extent(0.4, 40, {}, 3_000)

Figures = dict[str, float]


def measure(system: System, folder: Path, extent: Extent, *, stored: bool) -> Figures:
    """Take the figures of one system once, for short tasks; with results ignored, only rates.

    Returns: enqueue, bulk_enqueue, drain, end_to_end, end_to_end_bulk, end_to_end_1kb and the like (tasks a second),
        idle_p50_ms, idle_p99_ms, idle_mb, message_bytes.
    Raises: TimeoutError, RuntimeError if a task does not run exactly once.
    """
    (folder / "redis").mkdir()
    with running_redis(folder / "redis") as redis:
        runner = Runner(system, folder, environ_of(system, folder, redis, stored=stored))
        figures = _waiting(runner, redis, max(200, int(system.tasks * extent.scale)))
        with runner.workers(system.workers) as process_ids:
            tally = runner.wait()
            figures["drain"] = (runner.sent - 1) / (tally.last - tally.first)
            _end_to_end(runner, figures, max(200, int(system.tasks * extent.scale)))
            if stored:
                _idle(runner, figures, extent.idle)
                figures["idle_mb"] = memory_mb(process_ids)
                for size, count in extent.payloads.items():
                    rate = _sent_and_run(runner, "one_by_one", count, kind="load", payload_bytes=size)
                    figures[f"end_to_end_{size // 1000}kb"] = rate
        figures["ran_twice"] = runner.check()
    return figures


def measure_naps(system: System, folder: Path, extent: Extent) -> Figures:
    """Measure how many naps of 50 ms a system takes a second, results stored.

    Returns: naps (tasks a second), from the first to the last end, all of them waiting before the workers start.
    """
    (folder / "redis").mkdir()
    with running_redis(folder / "redis") as redis:
        runner = Runner(system, folder, environ_of(system, folder, redis, stored=True))
        runner.send("in_bulk" if system.sends_in_bulk else "one_by_one", extent.naps, kind="nap")
        with runner.workers(system.nappers, BENCH_NAPPERS=str(NAPS_AT_ONCE // system.processes)):
            tally = runner.wait()
        again = runner.check()
    return {"naps_ran_twice": again, "naps": (runner.sent - 1) / (tally.last - tally.first)}


def _waiting(runner: Runner, redis: RedisServer, count: int) -> Figures:
    """Fill the queue while no worker runs."""
    figures: Figures = {}
    with Redis.from_url(redis.url) as client:
        before = client.info("memory")["used_memory"]
        sent = runner.send("one_by_one", count)
        figures["enqueue"] = count / (sent["ended"] - sent["started"])
        if not runner.system.is_embedded:
            figures["message_bytes"] = (client.info("memory")["used_memory"] - before) / count
        if runner.system.sends_in_bulk:
            sent = runner.send("in_bulk", count)
            figures["bulk_enqueue"] = count / (sent["ended"] - sent["started"])
    return figures


def _end_to_end(runner: Runner, figures: Figures, count: int) -> None:
    # The drain has warmed the workers: connections open, slots forked.
    figures["end_to_end"] = _sent_and_run(runner, "one_by_one", count)
    if runner.system.sends_in_bulk:
        figures["end_to_end_bulk"] = _sent_and_run(runner, "in_bulk", count)


def _sent_and_run(runner: Runner, how: str, count: int, kind: str = "noop", payload_bytes: int = 0) -> float:
    """Say how many tasks a second go from the first call to the end of the last."""
    sent = runner.send(how, count, kind=kind, payload_bytes=payload_bytes)
    tally = runner.wait()
    return count / (tally.last - float(sent["started"]))


def _idle(runner: Runner, figures: Figures, samples: int) -> None:
    latencies = runner.send("one_by_one", samples, what="idle")["latencies"]
    figures["idle_p50_ms"] = statistics.median(latencies) * 1000
    figures["idle_p99_ms"] = statistics.quantiles(latencies, n=100, method="inclusive")[98] * 1000
