"""What the running workers say of themselves, asked by Celery's remote control as `celery inspect` does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from celery import Celery

from celeriac.app.reaching import hears_broadcasts

#: how long workers are given to answer; one whose loop runs a task itself answers later, and is left out
_ANSWERS_WITHIN_S = 1.5


def registered(app: Celery, workers: Sequence[str]) -> dict[str, set[str]]:
    """Give worker → names of the tasks it knows, for those that answer.

    workers: who lives; nobody is asked if there is none, or if the broker has no broadcasts.
    Raises: whatever the broker's client raises.
    """
    if not workers or not hears_broadcasts(app):
        return {}
    inspect: Any = app.control.inspect(
        destination=list(workers), timeout=_ANSWERS_WITHIN_S, limit=len(workers)
    )
    told: dict[str, list[str]] = inspect.registered() or {}
    # "name [rate_limit=10/m]"
    return {worker: {name.partition(" [")[0] for name in names} for worker, names in told.items()}
