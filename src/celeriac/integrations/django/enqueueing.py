"""Django's tasks on Celery: each `django.tasks.task` is a Celery task of the same name, under the plan's policies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from celery import shared_task
from celery.utils import uuid
from django.conf import settings
from django.core import checks
from django.utils import timezone

from celeriac.errors import CeleriacError, IntegrationError
from celeriac.integrations.django.card import Card, read_card
from celeriac.integrations.django.checks import message_of
from celeriac.integrations.django.framework import (
    DEFAULT_TASK_PRIORITY,
    DEFAULT_TASK_QUEUE_NAME,
    TASK_MAX_PRIORITY,
    TASK_MIN_PRIORITY,
    BaseTaskBackend,
    Task,
    TaskContext,
    TaskResult,
    TaskResultDoesNotExist,
    normalize_json,
    task_backends,
    task_enqueued,
    task_finished,
    task_started,
)
from celeriac.integrations.django.project import project_app, project_plan
from celeriac.integrations.django.task import Task as CeleriacTask

_HIGHEST = 9
_registered: set[str] = set()


class EnqueuedTask(Task):
    """A Django task whose function is registered with Celery as well."""

    __slots__ = ()

    def __post_init__(self) -> None:
        # Not super(): the decorator of the base class has made a new class for its slots.
        Task.__post_init__(self)
        _register(self)


class CeleriacBackend(BaseTaskBackend):
    """Runs Django's tasks in Celeriac's workers.

    The plan's policies apply to them by their dotted names. A task of the queue "default" goes where the plan says.
    """

    task_class = EnqueuedTask
    supports_defer = True
    supports_async_task = True
    supports_get_result = True

    @property
    def supports_priority(self) -> bool:
        """Whether a bigger number goes first: not on Celery's own Redis transport, where it goes last."""
        broker = getattr(settings, "CELERY_BROKER_URL", None) or project_plan().broker
        return not str(broker).startswith(("redis", "sentinel"))

    def enqueue(self, task: Task, args: Any, kwargs: Any) -> TaskResult:
        """Send the task.

        Raises: InvalidTaskError if this backend cannot run it so; the broker's error if it was not sent.
        """
        self.validate_task(task)
        app = project_app()
        card = Card(
            id=uuid(),
            task=task.module_path,
            args=normalize_json(list(args)),
            kwargs=normalize_json(kwargs),
            backend=self.alias,
            queue_name=task.queue_name,
            priority=task.priority,
            enqueued_at=timezone.now(),
            run_after=task.run_after,
        )
        card.write(app)
        try:
            app.tasks[card.task].apply_async(card.args, card.kwargs, task_id=card.id, **self._options(task))
        except BaseException:
            card.forget(app)
            raise
        result = card.result({"status": "PENDING"})
        task_enqueued.send(type(self), task_result=result)
        return result

    def get_result(self, result_id: str) -> TaskResult:
        """Give a task's result as it is now.

        Raises: TaskResultDoesNotExist if no such task was enqueued, or its result has expired.
        """
        app = project_app()
        card = read_card(app, result_id)
        if card is None:
            raise TaskResultDoesNotExist(result_id)
        return card.result(app.backend.get_task_meta(result_id, cache=False))

    def check(self, **_: Any) -> Iterable[checks.CheckMessage]:
        """Report queues that the plan does not declare."""
        try:
            declared = project_plan().queues
        except CeleriacError:
            return  # the plan's own check says it
        for queue in sorted(self.queues - {DEFAULT_TASK_QUEUE_NAME}):
            if declared and queue not in declared:
                yield message_of(
                    IntegrationError(
                        "WEB-011",
                        f'the plan declares no queue "{queue}"; nobody would read it.',
                        at=f'TASKS["{self.alias}"]["QUEUES"]',
                        known=list(declared),
                        fix=f"add [queues.{queue}] to the plan",
                    )
                )

    def _options(self, task: Task) -> dict[str, Any]:
        options: dict[str, Any] = {"eta": task.run_after}
        if task.queue_name != DEFAULT_TASK_QUEUE_NAME:
            options["queue"] = task.queue_name
        if self.supports_priority and (task.priority != DEFAULT_TASK_PRIORITY or not _plan_ranks(task)):
            options["priority"] = celery_priority(task.priority)
        return options


def celery_priority(priority: int) -> int:
    """Bring one of Django's priorities, -100 to 100, to one of Celery's, 0 to 9; 0 is in the middle, at 4."""
    return (priority - TASK_MIN_PRIORITY) * _HIGHEST // (TASK_MAX_PRIORITY - TASK_MIN_PRIORITY)


def _plan_ranks(task: Task) -> bool:
    policy = project_app().tasks[task.module_path].policy
    return policy is not None and policy.priority is not None


class _Runner(CeleriacTask):
    """Says when a Django task has ended for good, however often it was tried."""

    abstract = True
    ignore_result = False  # type: ignore[assignment]  # Celery's stub of it is None, for "as the app says"

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        super().on_success(retval, task_id, args, kwargs)
        self._say_finished(task_id)

    def on_failure(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        super().on_failure(exc, task_id, args, kwargs, einfo)
        self._say_finished(task_id)

    def _say_finished(self, task_id: str) -> None:
        card = read_card(self.app, task_id)
        if card is not None:
            result = card.result(self.app.backend.get_task_meta(task_id, cache=False))
            task_finished.send(sender=type(task_backends[card.backend]), task_result=result)


def _register(task: Task) -> None:
    """Make a Celery task of a Django task's function, once."""
    name = task.module_path
    if name in _registered:
        return
    _registered.add(name)

    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        card = read_card(self.app, self.request.id) or _card_of(self.request, task)
        card.begin(self.request.hostname or "")
        card.write(self.app)
        result = card.result()
        task_started.send(sender=type(task_backends[card.backend]), task_result=result)
        context = (TaskContext(task_result=result),) if task.takes_context else ()
        return normalize_json(task.call(*context, *args, **kwargs))

    run.__module__, run.__name__, run.__doc__ = task.func.__module__, task.func.__name__, task.func.__doc__
    shared_task(name=name, bind=True, base=_Runner)(run)


def _card_of(request: Any, task: Task) -> Card:
    """Write a card for a task that a schedule or `celeriac send` has sent."""
    return Card(
        id=request.id,
        task=task.module_path,
        args=normalize_json(list(request.args)),
        kwargs=normalize_json(dict(request.kwargs)),
        backend=task.backend,
        queue_name=task.queue_name,
        priority=task.priority,
        enqueued_at=timezone.now(),
    )
