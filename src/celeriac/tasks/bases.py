"""Base classes of tasks for two kinds of work, which log how their runs end.

heavy    long and costly: tried again three times, since each try holds a slot that others wait for
light    short and cheap: tried again until it works, at most a minute apart
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from billiard.einfo import ExceptionWithTraceback
from celery.exceptions import Retry as RetryRaised

from celeriac.events import emit
from celeriac.plan import Policy, Retry
from celeriac.tasks.hooks import guarded, run_of
from celeriac.tasks.retry import is_announced
from celeriac.tasks.task import Task

#: three retries, after up to 1, 2 and 4 s, drawn at random so that those that failed together do not come back together
HEAVY = Retry(limit=3, backoff=timedelta(seconds=1), cap=timedelta(minutes=10), jitter=True)
#: as many retries as it takes, the later ones up to 60 s apart
LIGHT = Retry(limit=None, backoff=timedelta(seconds=1), cap=timedelta(seconds=60), jitter=True)
#: three retries, after 60 · 2ⁿ s: 60, 120 and 240
DOUBLING = Retry(limit=3, backoff=timedelta(seconds=60), cap=timedelta(hours=1), jitter=False)
#: three retries, each after 60 s
STEADY = Retry(limit=3, backoff=timedelta(seconds=60), cap=timedelta(seconds=60), jitter=False)

_HANDLERS = ("on_success", "on_retry", "on_failure")


class ReportingTask(Task):
    """A task that logs how each run ends: a stable message, and the values as fields of the record.

    Override `on_success`, `on_retry` and `on_failure` as in Celery, and call `super()` to keep the log. What they raise
    is logged as `hook.failed`; Celery would make a failure of a task that has succeeded. Arguments and results are not
    logged: nobody knows what is in them.
    """

    abstract = True

    def __init__(self) -> None:
        super().__init__()
        for name in _HANDLERS:
            setattr(self, name, _Handler(getattr(self, name)))

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        """Log a run that ended well."""
        emit("tasks", "task.succeeded", **self._told(task_id))

    def on_retry(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Log a run that failed and will be tried again; what a policy retries is logged by then."""
        raised = (
            einfo.exception.exc if isinstance(einfo.exception, ExceptionWithTraceback) else einfo.exception
        )
        if isinstance(raised, RetryRaised) and not is_announced(raised):
            emit("tasks", "task.retried", **self._told(task_id), error=repr(exc))

    def on_failure(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Log a task that failed for good."""
        emit("tasks", "task.failed", **self._told(task_id), error=repr(exc))

    def _told(self, task_id: str) -> dict[str, Any]:
        run = run_of(self, self.request)
        return {"task": self.name, "task_id": task_id, "queue": run.queue, "attempt": run.attempt}


class HeavyTask(ReportingTask):
    """A task that is long and costly: `@app.task(base=HeavyTask)`."""

    abstract = True
    policy: ClassVar[Policy | None] = Policy(retry=HEAVY)


class LightTask(ReportingTask):
    """A task that is short and cheap: `@app.task(base=LightTask)`."""

    abstract = True
    policy: ClassVar[Policy | None] = Policy(retry=LIGHT)


class _Handler:
    """One of a task's own handlers, that cannot break the task."""

    def __init__(self, handler: Any) -> None:
        self._handler = handler

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        guarded(self._handler, *args, **kwargs)
