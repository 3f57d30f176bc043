"""The worker's consumer: a message that is no task of this worker becomes a letter, and the worker goes on."""

from __future__ import annotations

import traceback as traceback_module
from collections.abc import Callable
from typing import Any

from celery import signals
from celery.app.task import Context
from celery.exceptions import InvalidTaskError, NotRegistered, WorkerLostError
from celery.utils.log import get_logger
from celery.worker import state
from celery.worker.consumer import Consumer as CeleryConsumer
from kombu.exceptions import ContentDisallowed, DecodeError, OperationalError

from celeriac.errors import MessageRefused
from celeriac.events import emit
from celeriac.security import guard_of
from celeriac.tasks.blend import blend_requests
from celeriac.tasks.check import MalformedTask, PoisonTask, check, check_name
from celeriac.tasks.deaths import reported_deliveries
from celeriac.tasks.limits import fit_soft_limit, limit_time
from celeriac.tasks.policy import apply_policies
from celeriac.tasks.request import queue_of
from celeriac.tasks.runtime import runtime_of

_MALFORMED = (InvalidTaskError, ContentDisallowed, DecodeError)

logger = get_logger(__name__)


class Consumer(CeleryConsumer):
    """Celery's consumer, that sets bad messages aside as letters instead of dropping them or stopping."""

    event_dispatcher: Any  # set by Celery's Events step

    def __init__(self, on_task_request: Callable[[Any], None], **options: Any) -> None:
        app, worker = options["app"], options["controller"]
        # Before the pool forks, so that its processes run the tasks as their policies say.
        apply_policies(app)
        guard = guard_of(app)
        if guard is not None:
            guard.prove()
        limit_time(worker)
        super().__init__(on_task_request, **options)

    @property
    def qos(self) -> Any:
        """How many messages may be in hand: kombu's counter, raised for each task that waits here for its time."""
        return self._qos

    @qos.setter
    def qos(self, qos: Any) -> None:
        channel = self.connection and self.connection.default_channel
        if qos is not None and getattr(channel, "settles_anywhere", False):
            # Brokers of ours deliver tasks when they are due, so none waits here. A `worker_eta_task_limit` below the
            # number of slots would then only take slots: each task that had an eta leaves the counter one lower.
            qos.max_prefetch = None
        self._qos = qos

    def update_strategies(self) -> None:
        """Bring tasks registered since under their policies, then prepare all of them."""
        apply_policies(self.app)
        blend_requests(self.app)
        for task in self.app.tasks.values():
            fit_soft_limit(task, self.controller.soft_time_limit)
        super().update_strategies()

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Give the function that takes each message; no message makes it raise, only a lost connection does."""
        handle = super().create_task_handler(*args, **kwargs)
        guard = guard_of(self.app)
        is_ours_to_raise = (*self.connection_errors, *self.channel_errors, OperationalError)

        def on_task_received(message: Any) -> None:
            try:
                if guard is not None:
                    guard.open(message)
                handle(message)
            except is_ours_to_raise:
                raise
            except Exception as error:
                self._on_stray_error(message, error)

        return on_task_received

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """Set aside a message that names no task."""
        self._set_aside(message, "malformed", MalformedTask("the message names no task"))
        signals.task_rejected.send(sender=self, message=message, exc=None)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Set aside a message that names a task and cannot be read as one, or must not be run any more."""
        if isinstance(exc, PoisonTask):
            self._fail(message, WorkerLostError(f"Worker exited prematurely: {exc}."))
            self._set_aside(message, "poison", exc)
        else:
            self._set_aside(message, "malformed", exc)
        signals.task_rejected.send(sender=self, message=message, exc=exc)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Set aside a message whose body cannot be decoded."""
        self._set_aside(message, "malformed", exc)

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Set aside a task that this worker does not know, and fail it, so that nobody waits for it."""
        try:
            check(message)
        except _MALFORMED as malformed:
            self.on_invalid_task(body, message, malformed)
            return
        headers = _task_headers(message)
        unknown = NotRegistered(headers["task"])
        self._fail(message, unknown)
        self._set_aside(message, "unknown-task", unknown)
        signals.task_unknown.send(
            sender=self, message=message, exc=exc, name=headers["task"], id=headers["id"]
        )

    def _fail(self, message: Any, error: Exception) -> None:
        """Store FAILURE for a task that will not be run, and tell its errbacks, its chord and event listeners."""
        headers = _task_headers(message)
        task_id, name = headers["id"], headers["task"]
        try:
            self.app.backend.mark_as_failure(task_id, error, request=Context(headers))
        except Exception as trouble:
            # The letter still says how the task ended, and must be written.
            emit("tasks", "task.outcome_unstored", task=name, task_id=task_id, error=repr(trouble))
        if self.event_dispatcher:
            self.event_dispatcher.send("task-failed", uuid=task_id, exception=repr(error))

    def _on_stray_error(self, message: Any, error: Exception) -> None:
        """Take what Celery's handler did not expect; it would have stopped the worker."""
        if message.acknowledged or state.should_stop is not None or state.should_terminate is not None:
            # Acked or about to go back by itself: there is nothing left to save, only to say.
            emit("tasks", "task.stray_error", queue=queue_of(message), error=repr(error))
        elif isinstance(error, MessageRefused):
            # No outcome is stored: whoever can forge a message could fail the tasks of others.
            self._set_aside(message, error.reason, error)
            signals.task_rejected.send(sender=self, message=message, exc=error)
        elif _names_no_task(message) or isinstance(error, _MALFORMED):
            self.on_invalid_task(None, message, error)
        else:
            self._set_aside(message, "failed", error)

    def _set_aside(self, message: Any, reason: str, error: Exception) -> None:
        """Write the letter of a message, then ack it; if it cannot be written, give the message back."""
        try:
            runtime_of(self.app).sink.capture(
                message,
                reason=reason,
                queue=queue_of(message),
                exception=error,
                traceback="".join(traceback_module.format_exception(error)),
                deliveries=reported_deliveries(message),
                worker=self.hostname,
            )
        except Exception as trouble:
            emit("tasks", "letter.unwritten", task="?", task_id=_id_of(message), error=repr(trouble))
            message.reject_log_error(logger, self.connection_errors, requeue=True)
        else:
            message.ack_log_error(logger, self.connection_errors)


def _task_headers(message: Any) -> dict[str, Any]:
    """Read what Celery's backends want to know of a task that has no request: its ids and its canvas."""
    payload = message.payload
    if isinstance(payload, dict):
        return {**payload, **message.headers, **message.properties}
    return {**message.headers, **(payload[2] or {}), **message.properties}


def _names_no_task(message: Any) -> bool:
    try:
        check_name(message.headers, "task")
    except MalformedTask:
        return True
    return False


def _id_of(message: Any) -> str:
    task_id = message.headers.get("id")
    return task_id[:80] if isinstance(task_id, str) else "?"
