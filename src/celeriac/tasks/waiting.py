"""Waiting for another task's result without holding up the event loop."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from celeriac.errors import TaskError

#: between two looks at a result: the first, and the most
_FIRST_S, _MOST_S = 0.005, 0.25


async def result_of(result: Any, timeout: float | None = None) -> Any:
    """Wait for what a task returns, as `result.get()` does, while other coroutines go on.

    result: an AsyncResult, or that of a group.
    timeout: seconds; None: as long as it takes.
    Raises: what the task raised; TaskError TASK-002 after the timeout.
    """
    give_up_at = None if timeout is None else time.monotonic() + timeout
    pause_s = _FIRST_S
    while not await asyncio.to_thread(result.ready):
        if give_up_at is not None and time.monotonic() > give_up_at:
            raise TaskError(
                "TASK-002",
                f"no result of {result.id} after {timeout:g} s",
                fix="wait longer, or ask `celeriac why` what became of the task",
            )
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, _MOST_S)
    # Celery forbids waiting in a task, which would hold a slot; here the result is there already.
    return await asyncio.to_thread(result.get, disable_sync_subtasks=False)
