"""Sending tasks from a running event loop, and awaiting their results, without holding up the loop."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

from celery import Celery
from celery.result import AsyncResult

from celeriac.errors import IntegrationError

Value = TypeVar("Value")

#: how soon, and then how often, a result is asked for
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 0.5


class Sent:
    """A task that was sent; `await sent` gives what it returned."""

    def __init__(self, sender: Sender, task_id: str) -> None:
        self.id = task_id
        self._sender = sender

    def __await__(self) -> Generator[Any, None, Any]:
        return self.get().__await__()

    async def get(self, timeout: float | None = None) -> Any:
        """Wait for the task and give what it returned.

        timeout: seconds; None waits as long as it takes.
        Raises: what the task raised, once it has failed for good; TimeoutError.
        """
        async with asyncio.timeout(timeout):
            pause_s = _FIRST_PAUSE_S
            while not await self._sender.run(self._is_ready):
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)
        return await self._sender.run(self._value)

    async def state(self) -> str:
        """Give Celery's state of the task now: PENDING, STARTED, RETRY, SUCCESS, FAILURE or REVOKED."""
        return str(await self._sender.run(lambda: self._result().state))

    def _result(self) -> AsyncResult:
        # Made anew in each thread: result backends are not shared between threads.
        return AsyncResult(self.id, app=self._sender.app)

    def _is_ready(self) -> bool:
        return bool(self._result().ready())

    def _value(self) -> Any:
        result = self._result()
        result.maybe_throw()
        return result.result


class Sender:
    """Sends tasks from coroutines, by threads of its own. Use it as `async with Sender(app) as sender`.

    A send that is cancelled while it is under way may still have been sent.
    """

    def __init__(self, app: Celery, threads: int = 10) -> None:
        """threads: sends, and looks at results, that go on at the same time; more wait for their turn."""
        self.app = app
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None

    async def __aenter__(self) -> Self:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="celeriac-sender")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let the sends under way end, then hang up."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.to_thread(self._hang_up, pool)

    async def send(self, task: Any, *args: Any, **kwargs: Any) -> Sent:
        """Send a task as `task.delay(*args, **kwargs)` does; once this returns, the broker has it.

        task: a Celery task, or the name of one.
        """
        return await self.send_with(task, args, kwargs)

    async def send_with(
        self, task: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> Sent:
        """Send a task as `task.apply_async(args, kwargs, **options)` does: queue, countdown, priority …"""
        target = self.app.tasks.get(task, task) if isinstance(task, str) else task

        def publish() -> str:
            if isinstance(target, str):
                return str(self.app.send_task(target, args, kwargs, **options).id)
            return str(target.apply_async(args, kwargs, **options).id)

        return Sent(self, await self.run(publish))

    async def run(self, function: Callable[[], Value]) -> Value:
        """Run a blocking function in one of the threads, with the context variables of the caller.

        Raises: IntegrationError if the sender is not open; what the function raises.
        """
        if self._pool is None:
            raise IntegrationError(
                "WEB-030",
                "the sender is not open.",
                fix="give the application lifespan(celery_app), or use `async with Sender(app)`",
            )
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._pool, context.run, function)

    def _hang_up(self, pool: ThreadPoolExecutor) -> None:
        pool.shutdown()
        for idle in (self.app.producer_pool, self.app.pool):
            idle.force_close_all(close_pool=False)
            # Filled again with what connects when used: the process may send on after this, by the same Celery app.
            idle.setup()
