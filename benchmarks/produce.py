"""The producer, a process of its own: `python -m benchmarks.produce APP WHAT KIND COUNT BYTES FIRST` prints JSON."""

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
PAUSE_S = (0.02, 0.10)
GIVES_UP_AFTER_S = 10.0


def send(app: Any, how: str, kind: str, arguments: list[tuple[Any, ...]]) -> dict[str, float]:
    """Send all; `how` is "one_by_one", "in_bulk" or "as_group"."""
    app.connect()
    sender = getattr(app, how)
    started = time.monotonic()
    sender(kind, arguments)
    return {"started": started, "ended": time.monotonic()}


def idle(app: Any, kind: str, arguments: list[tuple[Any, ...]]) -> dict[str, list[float]]:
    """Send one task at a time to a worker with nothing to do; seconds from call to the task's end."""
    app.connect()
    ticks = Path(os.environ["BENCH_TICKS"])
    draw = random.Random(1)
    latencies = []
    for each in arguments:
        time.sleep(draw.uniform(*PAUSE_S))
        before = read(ticks).finished
        sent = time.monotonic()
        app.one_by_one(kind, [each])
        while (tally := read(ticks)).finished == before:
            if time.monotonic() - sent > GIVES_UP_AFTER_S:
                raise TimeoutError(f"task {each[0]} did not run within {GIVES_UP_AFTER_S:g}s")
            time.sleep(0.0005)
        latencies.append(tally.last - sent)
    return {"latencies": latencies}


def main(module: str, what: str, kind: str, count: str, payload_bytes: str, first: str) -> None:
    """Do what the command line says, and print when it began and ended, or the latencies."""
    app = importlib.import_module(module)
    numbers = range(int(first), int(first) + int(count))
    more = ("x" * int(payload_bytes),) if int(payload_bytes) else ()
    arguments = [(number, *more) for number in numbers]
    print(json.dumps(idle(app, kind, arguments) if what == "idle" else send(app, what, kind, arguments)))


if __name__ == "__main__":
    main(*sys.argv[1:])
