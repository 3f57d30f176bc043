"""The strategy of a task: check a message, then do with it what Celery's default strategy does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.worker.strategy import default as celery_default

from celeriac.tasks.check import PoisonTask, check
from celeriac.tasks.runtime import runtime_of
from celeriac.tasks.swift import swift


def default(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Give the handler of messages for `task`; a message that must not be run raises out of it.

    MalformedTask: it is no task; PoisonTask: it took whole workers with it, so that none was left to end it.

    Raises: AppError if the app has no plan, when the worker starts.
    """
    after = runtime_of(app).plan.letters.after
    handle = celery_default(task, app, consumer, **options)
    take = swift(task, app, consumer)

    def task_message_handler(
        message: Any, body: Any, ack: Any, reject: Any, callbacks: Any, **more: Any
    ) -> Any:
        check(message)
        # Only the embedded broker says this, and counts only what was started; RabbitMQ's count goes up for
        # messages that a stopping worker had merely fetched.
        deliveries = message.delivery_info.get("deliveries", 0)
        if deliveries >= after:
            raise PoisonTask(f"its worker died {deliveries} times while running it")
        if getattr(message.channel, "settles_anywhere", False):
            # Celery leaves acks to its loop's next turn, for channels that only one thread may use. Settled at once,
            # a message makes room for the next one in the same turn.
            ack, reject = message.ack_log_error, message.reject_log_error
        if take is not None and body is None and take(message, ack, reject, callbacks):
            return None
        return handle(message, body, ack, reject, callbacks, **more)

    return task_message_handler
