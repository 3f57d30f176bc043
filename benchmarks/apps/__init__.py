"""One module for each system that is compared: the same three tasks, and how they are sent.

`noop` counts itself and returns its number, `load` does the same with a text beside it, `nap` waits 50 ms first. Each
module has `connect()`, `one_by_one(kind, arguments)` and, where the system can send many at once,
`in_bulk(kind, arguments)`; Celery's and ours have `as_group(kind, arguments)`. Told by the environment: BENCH_REDIS
(without a database), BENCH_STORED ("1": results are stored), BENCH_TICKS, and BENCH_NAPPERS, how many naps one worker
process takes at once ("" where the worker is for short tasks).
"""

from __future__ import annotations

import os

#: of a nap, seconds
NAP_S = 0.050
#: messages of one bulk
BULK = 500


def redis_url(database: int) -> str:
    """Name a database of the run's Redis."""
    return f"{os.environ['BENCH_REDIS']}/{database}"


def stores() -> bool:
    """Say whether results are stored."""
    return os.environ["BENCH_STORED"] == "1"


def slots(usual: int) -> int:
    """Say how many tasks a worker process runs at once: what is usual for this system, or the naps it takes."""
    return int(os.environ["BENCH_NAPPERS"] or usual)
