"""How the time limits of a worker's pool and of its tasks come together."""

from __future__ import annotations

from typing import Any

#: a run that takes longer is killed, where nobody thought of a limit: no task holds a slot for ever
TIME_LIMIT_S = 3600.0


def limit_time(worker: Any) -> None:
    """Give a worker's pool a hard limit, where neither its command line nor the app's settings give any.

    It is the pool's and not the setting `task_time_limit`: senders write that into every message, where it would beat
    what the plan says of a pool. What a message, a task, the pool or the setting says wins; 0 means no limit.
    worker: Celery's WorkController, its pool made but not yet started. Pools without limits ignore it.
    """
    if worker.time_limit is None and worker.soft_time_limit is None:
        worker.pool.options["timeout"] = TIME_LIMIT_S


def fit_soft_limit(task: Any, pool_soft_limit_s: float | None) -> None:
    """Keep a pool's soft limit from putting off the hard limit of a task.

    The pool waits for the hard limit only when the soft one has passed, so a pool's soft limit of 55 minutes would let
    a task with a hard limit of 1 minute and no soft one run for 55.
    """
    soft_limit_s = task.soft_time_limit or pool_soft_limit_s
    if task.time_limit and soft_limit_s and soft_limit_s > task.time_limit:
        task.soft_time_limit = task.time_limit
