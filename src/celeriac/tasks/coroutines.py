"""Tasks that are coroutines: run to their end wherever Celery's tracer calls them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import CoroutineType
from typing import Any, TypeGuard

from greenlet import getcurrent

from celeriac.errors import TaskError

#: attribute of a greenlet that can drive coroutines: how a pool with an event loop says that it has one
DRIVER = "celeriac_drive"


def is_coroutine(value: Any) -> TypeGuard[Coroutine[Any, Any, Any]]:
    """Say whether calling a task gave a coroutine, as an `async def` does."""
    return type(value) is CoroutineType


def run_to_end(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine and give what it returns.

    On the asyncio executor it shares the pool's event loop with all others; elsewhere it has a loop to itself, and
    holds its slot while it waits.
    Raises: what the coroutine raises; TaskError TASK-001 if it ended because something cancelled it.
    """
    drive = getattr(getcurrent(), DRIVER, None)
    try:
        if drive is not None:
            return drive(coroutine)
        with asyncio.Runner() as runner:
            return runner.run(coroutine)
    except asyncio.CancelledError as error:
        # It is a BaseException: let through, it would end the slot instead of the task.
        raise TaskError(
            "TASK-001",
            "the task was cancelled from within: a CancelledError left it",
            fix="catch asyncio.CancelledError where the task awaits what is cancelled",
        ) from error


def in_event_loop() -> bool:
    """Say whether a coroutine runs in this thread now, so that a caller could await."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
