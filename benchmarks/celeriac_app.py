"""Celeriac with its defaults, on the plan the benchmark wrote."""

import os

import celeriac
from benchmarks.ticks import tick

app = celeriac.create_app(os.environ["BENCH_PLAN"])
app.conf.task_ignore_result = os.environ["BENCH_IGNORE_RESULTS"] == "1"


@app.task(name="bench.noop")
def noop(number: int) -> int:
    tick()
    return number
