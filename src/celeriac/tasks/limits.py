"""The time limits of last resort: no task holds a slot for ever because nobody thought of a limit."""

from __future__ import annotations

from typing import Any

#: a run that takes longer is killed
TIME_LIMIT_S = 3600.0
#: a run that takes longer is interrupted by SoftTimeLimitExceeded, and has the rest of the hour to tidy up
SOFT_TIME_LIMIT_S = 3300.0


def limit_time(worker: Any) -> None:
    """Give a worker's pool limits, where neither its command line nor the app's settings say anything.

    They are the pool's and not the setting `task_time_limit`: senders write that into every message, where it would
    beat what the plan says of a pool. What a message, a task, the pool or the setting says wins; 0 means no limit.
    worker: Celery's WorkController, its pool made but not yet started. Pools without limits ignore them.
    """
    if worker.time_limit is None and worker.soft_time_limit is None:
        worker.pool.options.update(timeout=TIME_LIMIT_S, soft_timeout=SOFT_TIME_LIMIT_S)
