"""The measurements: enqueue, drain, end to end and idle latency of one setup in a fresh folder."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import ticks
from benchmarks.setups import Setup

STOPS_WITHIN_S = 20.0
STARTS_WITHIN_S = 60.0
#: A drain that has not moved for this long has lost a task, or its worker.
STANDS_STILL_S = 15.0


class Bench:
    """One setup in one folder: its environment, its producer, its workers."""

    def __init__(self, setup: Setup, folder: Path, environ: dict[str, str]) -> None:
        self.setup = setup
        self.folder = folder
        self.ticks = folder / "ticks"
        self.ticks.mkdir()
        root = str(Path(__file__).resolve().parents[1])
        self.environ = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root}/src", **environ}

    def produce(self, what: str, count: int) -> dict[str, Any]:
        """Run the producer in a process of its own and give its figures."""
        command = [sys.executable, "-m", "benchmarks.produce", self.setup.app, what, str(count)]
        ended = subprocess.run(
            command,
            env=self.environ,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=600,
        )
        figures: dict[str, Any] = json.loads(ended.stdout)
        return figures

    @contextmanager
    def workers(self) -> Iterator[None]:
        """Run the setup's workers until the block ends."""
        log = (self.folder / "workers.log").open("ab")
        started = [
            subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            for command in self.setup.workers
        ]
        try:
            yield
        finally:
            for worker in started:
                worker.terminate()
            for worker in started:
                try:
                    worker.wait(STOPS_WITHIN_S)
                except subprocess.TimeoutExpired:
                    os.killpg(worker.pid, signal.SIGKILL)
                    worker.wait()
            log.close()

    def wait_for(self, finished: int) -> ticks.Tally:
        """Wait until that many tasks have finished in all.

        Raises: TimeoutError with the end of the workers' log if they stand still.
        """
        moved, seen = time.monotonic() + STARTS_WITHIN_S, 0
        while (tally := ticks.read(self.ticks)).finished < finished:
            if tally.finished != seen:
                moved, seen = time.monotonic() + STANDS_STILL_S, tally.finished
            if time.monotonic() > moved:
                words = (self.folder / "workers.log").read_text(errors="replace")[-4000:]
                raise TimeoutError(f"{self.setup.title}: {seen} of {finished} tasks ran, then none\n{words}")
            # Coarse, since whoever reads the clock here takes from the two cores that are being measured.
            time.sleep(0.05)
        return tally


def measure(bench: Bench, count: int) -> dict[str, float]:
    """Take every figure of one setup once.

    Returns: enqueue, drain, end_to_end in tasks a second; with results ignored also idle_p50_ms, idle_p99_ms.
    Raises: TimeoutError if a task does not run; RuntimeError if one runs twice.
    """
    figures: dict[str, float] = {}
    sent = bench.produce("send", count)
    figures["enqueue"] = count / (sent["ended"] - sent["started"])

    with bench.workers():
        tally = bench.wait_for(count)
        figures["drain"] = (count - 1) / (tally.last - tally.first)
        # The drain has warmed the workers: connections open, slots forked.
        sent = bench.produce("send", count)
        tally = bench.wait_for(2 * count)
        figures["end_to_end"] = count / (tally.last - sent["started"])
        expected = 2 * count
        if bench.setup.results == "ignored":
            latencies = bench.produce("idle", bench.setup.idle_samples)["latencies"]
            figures["idle_p50_ms"] = statistics.median(latencies) * 1000
            figures["idle_p99_ms"] = statistics.quantiles(latencies, n=100, method="inclusive")[98] * 1000
            expected += bench.setup.idle_samples

    if (ran := ticks.read(bench.ticks).finished) != expected:
        raise RuntimeError(f"{bench.setup.title}: {expected} tasks were sent, {ran} ran")
    return figures
