"""The producer, a process of its own: `python -m benchmarks.produce APP send|idle COUNT` prints JSON."""

from __future__ import annotations

import importlib
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.ticks import read

#: An idle worker has had nothing to do for a while; the spread keeps us out of step with its polling.
PAUSE_S = (0.02, 0.12)
GIVES_UP_AFTER_S = 10.0


def send(task: Any, count: int) -> dict[str, float]:
    """Send `count` tasks one by one; the first connection is not counted."""
    with task.app.connection_for_write() as connection:
        connection.connect()
    started = time.monotonic()
    for number in range(count):
        task.delay(number)
    return {"started": started, "ended": time.monotonic()}


def idle(task: Any, count: int) -> dict[str, list[float]]:
    """Send one task at a time to a worker with nothing to do; seconds from call to the task's end."""
    ticks = Path(os.environ["BENCH_TICKS"])
    draw = random.Random(1)
    latencies = []
    for number in range(count):
        time.sleep(draw.uniform(*PAUSE_S))
        before = read(ticks).finished
        sent = time.monotonic()
        task.delay(number)
        while (tally := read(ticks)).finished == before:
            if time.monotonic() - sent > GIVES_UP_AFTER_S:
                raise TimeoutError(f"task {number} did not run within {GIVES_UP_AFTER_S:g}s")
            time.sleep(0.0005)
        latencies.append(tally.last - sent)
    return {"latencies": latencies}


if __name__ == "__main__":
    module, what, how_many = sys.argv[1:]
    noop = importlib.import_module(module).noop
    print(json.dumps({"send": send, "idle": idle}[what](noop, int(how_many))))
