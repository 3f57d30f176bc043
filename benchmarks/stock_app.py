"""Stock Celery with its defaults but for prefetching, told by the environment where its broker and results are."""

import os

from celery import Celery

from benchmarks.ticks import tick

app = Celery("bench", broker=os.environ["BENCH_BROKER"], backend=os.environ["BENCH_RESULTS"])
app.conf.task_ignore_result = os.environ["BENCH_IGNORE_RESULTS"] == "1"
# As many as Celeriac holds in this run, so that neither has the longer arm; Celery's own default is 4.
app.conf.worker_prefetch_multiplier = 100


@app.task(name="bench.noop")
def noop(number: int) -> int:
    tick()
    return number
