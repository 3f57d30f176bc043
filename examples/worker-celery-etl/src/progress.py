"""Progress that a sender can read while the task runs: AsyncResult(id).state is PROGRESS, .info says how far."""

from __future__ import annotations

from typing import Any


def report(task: Any, **how_far: int | str) -> None:
    """Say how far the task is; outside of a worker there is nobody to tell."""
    if task.request.id:
        task.update_state(state="PROGRESS", meta=how_far)
