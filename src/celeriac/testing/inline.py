"""Running tasks inline: whatever is sent has run when the call that sent it returns.

Unlike Celery's eager mode this goes the whole way: a real message, through kombu and its serializer, taken by
Celeriac's Request and run by Celery's solo pool, with retries, letters, results, chains and chords. Two things are not
as in production: nothing waits (retries and delayed tasks run at once), and time limits do not end a task.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery, signals
from celery.concurrency.solo import TaskPool
from celery.worker import state
from celery.worker.request import create_request_cls
from kombu.entity import Queue
from kombu.utils.imports import symbol_by_name

from celeriac.security import guard_of
from celeriac.tasks.blend import blend_requests
from celeriac.tasks.check import check

_HOSTNAME = "inline@tests"
_UID = "celeriac.testing.inline"


class InlineWorker:
    """Runs what waits at the app's broker, in the order it was sent, in the thread that asks.

    A task sent by a task runs after that one, as it would on a worker.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._pool = TaskPool(limit=1, app=app)
        self._connection = app.connection_for_read()
        self._channel = self._connection.channel()
        self._waiting: deque[str] = deque()
        self._lock = threading.Lock()
        #: what went wrong in the worker itself, not in a task
        self.trouble: Exception | None = None
        blend_requests(app)

    def run_all(self) -> None:
        """Run until nothing waits; returns at once where it is running already."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            while (message := self._next()) is not None:
                self._run(message)
        finally:
            self._lock.release()

    def close(self) -> None:
        """Hang up."""
        self._connection.release()

    def on_sent(self, routing_key: str, **_: Any) -> None:
        """Run what was just sent."""
        self._waiting.append(routing_key)
        try:
            self.run_all()
        except Exception as error:
            # Celery's signals swallow what is raised; the test hears of it at its end.
            self.trouble = self.trouble or error
            raise

    def _next(self) -> Any:
        while self._waiting:
            message = self._take(self._waiting.popleft())
            if message is not None:
                return message
        # What comes back without being sent: replays, and what a task gave back.
        taken = (self._take(queue) for queue in list(self._app.amqp.queues))
        return next((message for message in taken if message is not None), None)

    def _take(self, queue: str) -> Any:
        return Queue(queue, channel=self._channel).get(accept=self._app.conf.accept_content)

    def _run(self, message: Any) -> None:
        task = self._app.tasks.get(message.headers.get("task"))
        if task is None:
            message.ack()  # for the workers of another app; the journal has it
            return
        guard = guard_of(self._app)
        if guard is not None:
            guard.open(message)
        check(message)
        make = create_request_cls(
            symbol_by_name(task.Request), task, self._pool, _HOSTNAME, None, app=self._app
        )
        request = make(
            message,
            on_ack=message.ack_log_error,
            on_reject=message.reject_log_error,
            app=self._app,
            hostname=_HOSTNAME,
            eventer=None,
            task=task,
            connection_errors=(),
            body=message.body,
            headers=message.headers,
            decoded=False,
            utc=True,
        )
        if request.revoked():
            return
        state.task_reserved(request)
        request.execute_using_pool(self._pool)


@contextmanager
def running_inline(app: Celery) -> Iterator[Callable[[], None]]:
    """Run what is sent inline; gives the function that runs what came by other ways.

    Raises: at its end, what went wrong in the worker itself.
    """
    worker = InlineWorker(app)
    signals.after_task_publish.connect(worker.on_sent, weak=False, dispatch_uid=_UID)
    try:
        yield worker.run_all
    finally:
        signals.after_task_publish.disconnect(dispatch_uid=_UID)
        worker.close()
    if worker.trouble is not None:
        raise worker.trouble
