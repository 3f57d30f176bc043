"""The base class of tasks."""

from __future__ import annotations

from typing import Any, ClassVar

import celery

from celeriac.plan import Policy
from celeriac.tasks.policy import REQUEST, STRATEGY, governing, impose
from celeriac.tasks.retry import guard
from celeriac.tasks.signature import signature_of

#: what somebody has put in their places is called, by whoever watches a process from outside
_SIGNATURE, _RESULT = celery.Task.signature, celery.Task.AsyncResult


class Task(celery.Task):
    """A Celery task that follows a policy, and becomes a letter when it fails for good.

    policy: what the code says of this task, as in `@app.task(policy=Policy(retry=Retry(limit=5)))`; what the plan says
    of it wins, field by field. After the task is bound to its app, the two together.
    """

    abstract = True
    Request = REQUEST
    Strategy = STRATEGY
    policy: ClassVar[Policy | None] = None

    def __init__(self) -> None:
        super().__init__()
        guard(self)

    @classmethod
    def on_bound(cls, app: Any) -> None:
        """Take on the policy when Celery binds the task to its app."""
        super().on_bound(app)
        if cls.name:
            impose(cls, governing(app, cls.name, cls.policy))

    def apply_async(
        self,
        args: Any = None,
        kwargs: Any = None,
        task_id: str | None = None,
        producer: Any = None,
        link: Any = None,
        link_error: Any = None,
        shadow: str | None = None,
        **options: Any,
    ) -> Any:
        """Send the task as Celery does; a plain call by a shorter way."""
        way = getattr(self.app.amqp, "short_way", None)
        if way is not None and way.is_open(self, options):
            return way.send(self, args, kwargs, task_id, producer, (link, link_error), shadow, options)
        return super().apply_async(args, kwargs, task_id, producer, link, link_error, shadow, **options)

    def signature(self, args: Any = None, *starargs: Any, **starkwargs: Any) -> Any:
        """Make a signature of the task, as Celery does; one that groups send sooner."""
        if celery.Task.signature is not _SIGNATURE:
            return super().signature(args, *starargs, **starkwargs)
        starkwargs.setdefault("app", self.app)
        return signature_of(self, args, *starargs, **starkwargs)

    subtask = signature

    def AsyncResult(self, task_id: str, **kwargs: Any) -> Any:  # noqa: N802 - Celery's name
        """Give the result of a task by its id, as Celery does; one that is lighter."""
        app = self._get_app()
        results = getattr(app.amqp, "results", None)
        if results is None or celery.Task.AsyncResult is not _RESULT:
            return super().AsyncResult(task_id, **kwargs)
        kind = results()
        return kind(task_id, backend=self.backend, task_name=self.name, **kwargs)
