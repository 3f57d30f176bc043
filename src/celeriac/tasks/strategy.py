"""The strategy of a task: check a message, then do with it what Celery's default strategy does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.worker.strategy import default as celery_default

from celeriac.tasks.check import check
from celeriac.tasks.runtime import runtime_of


def default(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Give the handler of messages for `task`; a message that is no task raises MalformedTask out of it.

    Raises: AppError if the app has no plan, when the worker starts.
    """
    runtime_of(app)
    handle = celery_default(task, app, consumer, **options)

    def task_message_handler(
        message: Any, body: Any, ack: Any, reject: Any, callbacks: Any, **more: Any
    ) -> Any:
        check(message)
        return handle(message, body, ack, reject, callbacks, **more)

    return task_message_handler
