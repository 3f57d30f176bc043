"""The work of a plan at the moment: what waits in its queues, and what the workers of each pool run."""

from __future__ import annotations

from collections import Counter
from typing import Any

from celery import Celery

from celeriac.app.reaching import hears_broadcasts
from celeriac.control.asked import beating
from celeriac.control.broker import NO_VIEW, LoadApp, consumers
from celeriac.errors import BrokerError
from celeriac.observe.metrics.scaling import WorkReading
from celeriac.observe.metrics.sources import BrokerSource
from celeriac.plan import Plan

#: how long workers are given to answer, where only they know what runs
_ANSWERS_WITHIN_S = 1.0


def read_work(plan: Plan, queues: BrokerSource, load: LoadApp) -> WorkReading:
    """Look at queues and workers.

    queues: reads the queues; load: gives the app, for a broker that does not tell what runs.
    Raises: whatever `queues` raises, or BrokerError.
    """
    # What is due counts as well: with no worker left, nobody would make it ready.
    ready = {it.name: it.ready + it.due for it in queues().queues}
    running: Counter[str] = Counter()
    for worker, tasks in _running(plan, load).items():
        running[pool_of(worker)] += tasks
    return WorkReading(ready, running)


def pool_of(worker: str) -> str:
    """Give the pool of a worker by its name, like "web-1@host"."""
    return worker.partition("@")[0].rpartition("-")[0]


def _running(plan: Plan, load: LoadApp) -> Counter[str]:
    try:
        seen = consumers(plan)
    except BrokerError as error:
        if error.code != NO_VIEW:
            raise
        return _asked(plan, load())
    running: Counter[str] = Counter()
    for it in seen:  # several of one worker, on the executor `processes`
        running[it.name] += it.running
    return running


def _asked(plan: Plan, app: Celery) -> Counter[str]:
    if not hears_broadcasts(app):
        return Counter({it.name: it.busy for it in beating(plan)})
    runs: dict[str, Any] = app.control.inspect(timeout=_ANSWERS_WITHIN_S).active() or {}
    return Counter({worker: len(tasks) for worker, tasks in runs.items()})
