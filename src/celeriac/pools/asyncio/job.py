"""One task on the event loop: accepted, run, limited, and ended once."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any

from billiard.einfo import ExceptionInfo
from billiard.exceptions import SoftTimeLimitExceeded

from celeriac.pools.asyncio.bridge import Bridge, Crossing

#: how often a coroutine that swallows its end is told again
_INSIST_EVERY_S = 1.0
_numbers = itertools.count(1)


class Ended(BaseException):
    """Raised in a task whose outcome is already recorded by others: it passed its hard limit, or was revoked."""


class Job:
    """A task that runs, or waits for its turn.

    number: stands where other pools have a process id; unique in this worker.
    is_coroutine: it runs on the event loop, not in a thread.
    """

    def __init__(
        self,
        target: Callable[..., Any],
        args: Any,
        kwargs: Any,
        *,
        callback: Callable[..., Any] | None = None,
        accept_callback: Callable[..., Any] | None = None,
        timeout_callback: Callable[..., Any] | None = None,
        error_callback: Callable[..., Any] | None = None,
        soft_timeout: float | None = None,
        timeout: float | None = None,
    ) -> None:
        self.number = next(_numbers)
        self._target = target
        self._args = args or ()
        self._kwargs = kwargs or {}
        self._callback = callback
        self._accept_callback = accept_callback
        self._timeout_callback = timeout_callback
        self._error_callback = error_callback
        self._soft_timeout = soft_timeout
        self._timeout = timeout
        self.is_coroutine = False
        self._task: asyncio.Task[None] | None = None
        self._to_raise: BaseException | None = None
        self._is_over = False

    def terminate(self, signal: int) -> None:
        """Nothing: Celery calls this after `TaskPool.terminate_job`, which does it."""

    def accept(self) -> None:
        """Say that it runs now."""
        if self._accept_callback is not None:
            self._accept_callback(self.number, time.monotonic())

    def run_here(self) -> Any:
        """Run the tracer in this thread, to its end."""
        return self._target(*self._args, **self._kwargs)

    async def run(self) -> None:
        """Run on the event loop, within the limits."""
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        timers = []
        if self._soft_timeout:
            timers.append(loop.call_later(self._soft_timeout, self._past_soft_limit))
        if self._timeout:
            timers.append(loop.call_later(self._timeout, self._past_hard_limit))
        try:
            self.accept()
            outcome = await Crossing(Bridge(self.run_here), self._translated)
        except Ended:
            return
        except asyncio.CancelledError:
            if not self._is_over:
                raise
        except BaseException as error:
            self.fail(error)
        else:
            self.succeed(outcome)
        finally:
            for timer in timers:
                timer.cancel()

    def succeed(self, outcome: Any) -> None:
        """Hand on what the tracer returned, unless the task is over for Celery already."""
        if not self._is_over and self._callback is not None:
            self._is_over = True
            self._callback(outcome)

    def fail(self, error: BaseException) -> None:
        """Hand on what came out of the tracer itself, which is no failure of the task's own code."""
        if not self._is_over and self._error_callback is not None:
            self._is_over = True
            self._error_callback(ExceptionInfo((type(error), error, error.__traceback__)))

    def interrupt(self, error: BaseException) -> None:
        """Raise in the coroutine, where it waits. On the loop's thread only."""
        if self._task is not None and not self._task.done():
            self._to_raise = error
            self._task.cancel()

    def end(self) -> None:
        """End it without an outcome; a coroutine that swallows that is told again. On the loop's thread only."""
        self._is_over = True
        if self._task is not None and not self._task.done():
            self.interrupt(Ended())
            asyncio.get_running_loop().call_later(_INSIST_EVERY_S, self.end)

    def _past_soft_limit(self) -> None:
        if self._timeout_callback is not None:
            self._timeout_callback(True, self._soft_timeout)
        self.interrupt(SoftTimeLimitExceeded())

    def _past_hard_limit(self) -> None:
        if self._is_over:
            return
        self.end()
        if self._timeout_callback is not None:
            self._timeout_callback(False, self._timeout)

    def _translated(self, cancelled: asyncio.CancelledError) -> BaseException:
        error, self._to_raise = self._to_raise, None
        if error is None:
            return cancelled
        assert self._task is not None
        self._task.uncancel()
        return error
