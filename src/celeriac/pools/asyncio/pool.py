"""The pool Celery talks to: jobs in, each on the event loop or in a thread, at most `limit` at once."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from signal import Signals
from typing import Any

from billiard.exceptions import SoftTimeLimitExceeded
from celery.concurrency.base import BasePool

from celeriac.pools.asyncio.job import Job

#: threads for tasks that are plain functions, at most; more would not run at once anyway
_MOST_THREADS = 32
#: how often a stopping pool looks whether the last task has ended
_LOOK_EVERY_S = 0.02


class TaskPool(BasePool):
    """Runs `async def` tasks on one event loop, and plain functions in threads beside it."""

    limit: int
    body_can_be_buffer = True
    signal_safe = False
    #: in a task `result.get()` would hold up the loop; it is refused, and `await celeriac.result_of(result)` is the way
    task_join_will_block = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="asyncio-pool", daemon=True)
        # Not bounded by today's limit, which may grow; a thread is started only when none is free.
        self._threads = ThreadPoolExecutor(
            _MOST_THREADS, thread_name_prefix="asyncio-pool", initializer=self._enter_app
        )
        #: held for what follows
        self._changing = threading.RLock()
        self._waiting: deque[Job] = deque()
        self._running: dict[int, Job] = {}

    def on_start(self) -> None:
        """Start the loop's thread."""
        self._thread.start()

    def on_stop(self) -> None:
        """Wait for every task that was accepted, however long it takes; who stops the worker bounds that."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._drained(), self._loop).result()
            self._threads.shutdown()
            self._end_loop()

    def on_terminate(self) -> None:
        """End every task where it waits; none has an outcome by that, and their messages go back."""
        if self._thread.is_alive():
            with self._changing:
                self._waiting.clear()
            self._loop.call_soon_threadsafe(self._end_all)
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._end_loop()

    def on_apply(self, target: Any, args: Any = None, kwargs: Any = None, **options: Any) -> Job:
        """Take a task; it starts at once, or when another ends."""
        wanted = (
            "callback",
            "accept_callback",
            "timeout_callback",
            "error_callback",
            "soft_timeout",
            "timeout",
        )
        job = Job(target, args, kwargs, **{name: options.get(name) for name in wanted})
        job.is_coroutine = self._is_coroutine(args)
        with self._changing:
            self._waiting.append(job)
        self._start_waiting()
        return job

    def terminate_job(self, pid: int, signal: int | None = None) -> None:
        """End one task: by SIGUSR1 as its soft limit would, by any other signal without an outcome."""
        is_soft = signal == Signals.SIGUSR1
        self._loop.call_soon_threadsafe(self._terminate, pid, is_soft)

    def grow(self, n: int = 1) -> None:
        """Allow `n` more at once."""
        self.limit += n
        self._start_waiting()

    def shrink(self, n: int = 1) -> None:
        """Allow `n` fewer at once; none that runs is ended."""
        self.limit = max(self.limit - n, 1)

    def _is_coroutine(self, args: Any) -> bool:
        """Say whether the tracer's arguments are of an `async def` task; the first is its name."""
        task = self.app.tasks.get(args[0]) if self.app is not None and args else None
        return task is not None and any(map(inspect.iscoroutinefunction, _layers(task.run)))

    def _start_waiting(self) -> None:
        """Start what there is room for. On any thread: a plain function needs the loop for nothing."""
        while (job := self._next()) is not None:
            if not job.is_coroutine:
                self._threads.submit(self._run_in_thread, job)
            elif threading.get_ident() == self._thread.ident:
                self._run_on_loop(job)
            else:
                self._loop.call_soon_threadsafe(self._run_on_loop, job)

    def _next(self) -> Job | None:
        with self._changing:
            if not self._waiting or len(self._running) >= self.limit:
                return None
            job = self._waiting.popleft()
            self._running[job.number] = job
            return job

    def _run_on_loop(self, job: Job) -> None:
        task = self._loop.create_task(job.run())
        task.add_done_callback(
            lambda done: self._end(job, None if done.cancelled() else done.exception(), done)
        )

    def _run_in_thread(self, job: Job) -> None:
        failed: BaseException | None = None
        try:
            _run_here(job)
        except BaseException as error:
            failed = error
        finally:
            self._end(job, failed)

    def _end(self, job: Job, failed: BaseException | None, task: asyncio.Task[None] | None = None) -> None:
        with self._changing:
            del self._running[job.number]
        if failed is not None:
            about = {"message": "a callback of the worker failed", "exception": failed}
            self._loop.call_exception_handler({**about, "future": task} if task is not None else about)
        self._start_waiting()

    def _terminate(self, number: int, is_soft: bool) -> None:
        job = self._running.get(number)
        if job is None:
            return
        if is_soft:
            job.interrupt(SoftTimeLimitExceeded())
        else:
            job.end()

    def _end_all(self) -> None:
        with self._changing:
            running = list(self._running.values())
        for job in running:
            job.end()

    async def _drained(self) -> None:
        while self._running or self._waiting:
            await asyncio.sleep(_LOOK_EVERY_S)

    def _enter_app(self) -> None:
        """Make the worker's app the current one of this thread, as Celery does in pool processes."""
        # Celery runs tasks by it: another app that the process has made since may not know them.
        if self.app is not None:
            self.app.set_current()

    def _run_loop(self) -> None:
        self._enter_app()
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        if threading.current_thread() is not self._thread:
            self._thread.join(5)

    def _get_info(self) -> dict[str, Any]:
        return {**super()._get_info(), "running": len(self._running), "waiting": len(self._waiting)}


def _layers(function: Any) -> Iterator[Any]:
    """Give a function and, one by one, what its decorators wrap: any of them may be what makes it a coroutine."""
    while function is not None:
        yield function
        function = getattr(function, "__wrapped__", None)


def _run_here(job: Job) -> None:
    job.accept()
    try:
        outcome = job.run_here()
    except BaseException as error:
        job.fail(error)
    else:
        job.succeed(outcome)
