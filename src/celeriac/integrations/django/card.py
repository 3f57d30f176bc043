"""The card of an enqueued Django task: what Celery's results do not say of it, kept beside its result.

A card is an entry of its own in the result backend, written before the message is sent, so that a task that waits can
be told from one that never was. It expires with the result.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from celery import Celery
from celery import states as celery_states
from django.utils import timezone
from django.utils.module_loading import import_string

from celeriac.integrations.django.framework import Task, TaskError, TaskResult, TaskResultStatus

_STATE = "ENQUEUED"
_STATUS = {
    celery_states.STARTED: TaskResultStatus.RUNNING,
    celery_states.SUCCESS: TaskResultStatus.SUCCESSFUL,
    celery_states.FAILURE: TaskResultStatus.FAILED,
    celery_states.REVOKED: TaskResultStatus.FAILED,
    celery_states.REJECTED: TaskResultStatus.FAILED,
    # It waits to be run again.
    celery_states.RETRY: TaskResultStatus.READY,
}


class Card(msgspec.Struct, kw_only=True):
    """One enqueued task.

    task: the dotted path of its function; backend: the alias in TASKS.
    worker_ids: the workers that have begun to run it, one for each attempt.
    """

    id: str
    task: str
    args: list[Any]
    kwargs: dict[str, Any]
    backend: str
    queue_name: str
    priority: int
    enqueued_at: datetime
    run_after: datetime | None = None
    started_at: datetime | None = None
    last_attempted_at: datetime | None = None
    worker_ids: list[str] = []

    def begin(self, worker: str) -> None:
        """Note that a worker begins to run it now."""
        self.last_attempted_at = timezone.now()
        self.started_at = self.started_at or self.last_attempted_at
        self.worker_ids.append(worker)

    def write(self, app: Celery) -> None:
        """Keep the card in the result backend."""
        app.backend.store_result(_key(self.id), msgspec.to_builtins(self), _STATE)

    def forget(self, app: Celery) -> None:
        """Remove the card: the task was not sent."""
        app.backend.forget(_key(self.id))

    def result(self, meta: dict[str, Any] | None = None) -> TaskResult:
        """Give Django's result of the task.

        meta: what Celery's result backend says of it; None: it runs just now.
        """
        state = celery_states.STARTED if meta is None else meta["status"]
        if state == celery_states.PENDING and self.started_at is not None:
            state = celery_states.STARTED  # Celery tells only if task_track_started is set
        status = _STATUS.get(state, TaskResultStatus.READY)
        error = meta["result"] if meta and isinstance(meta.get("result"), BaseException) else None
        task: Task = import_string(self.task)
        result = TaskResult(
            task=task.using(
                priority=self.priority,
                queue_name=self.queue_name,
                run_after=self.run_after,
                backend=self.backend,
            ),
            id=self.id,
            status=status,
            enqueued_at=self.enqueued_at,
            started_at=self.started_at,
            finished_at=_moment(meta.get("date_done"))
            if meta and state in celery_states.READY_STATES
            else None,
            last_attempted_at=self.last_attempted_at,
            args=self.args,
            kwargs=self.kwargs,
            backend=self.backend,
            errors=[] if error is None or meta is None else [_worded(error, meta)],
            worker_ids=list(self.worker_ids),
        )
        if meta and status == TaskResultStatus.SUCCESSFUL:
            # How Django's own backends fill it in: the class is frozen, and the field no argument.
            object.__setattr__(result, "_return_value", meta["result"])
        return result


def read_card(app: Celery, task_id: str) -> Card | None:
    """Read the card of a task, None if there is none."""
    meta = app.backend.get_task_meta(_key(task_id), cache=False)
    return msgspec.convert(meta["result"], Card) if meta["status"] == _STATE else None


def _key(task_id: str) -> str:
    return f"{task_id}.django"


def _worded(error: BaseException, meta: dict[str, Any]) -> TaskError:
    kind = type(error)
    return TaskError(
        exception_class_path=f"{kind.__module__}.{kind.__qualname__}", traceback=meta.get("traceback") or ""
    )


def _moment(said: Any) -> datetime | None:
    return datetime.fromisoformat(said) if isinstance(said, str) else said
