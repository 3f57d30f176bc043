"""Whether and when a failed task is tried again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache, wraps
from random import random
from typing import Any

from billiard.common import terminate_handler_fired
from celery.exceptions import Reject, TaskPredicate
from kombu.utils.imports import symbol_by_name

from celeriac.errors import AppError, NotNow
from celeriac.events import emit
from celeriac.plan import Retry
from celeriac.tasks.coroutines import in_event_loop, is_coroutine, run_to_end
from celeriac.tasks.holding import ask_hooks, hold, passage

_GUARDED = "celeriac_guarded"
_ANNOUNCED = "celeriac_announced"
#: doublings after which every cap is reached; more would only overflow
_DOUBLINGS = 60


class Died(Reject):
    """A run ended in a way that a worker's death would have: MemoryError, or sys.exit() in the task.

    A Reject, so that Celery stores no outcome: whether there will be another delivery is decided in the worker's
    main process, the same for every pool.
    """


def next_delay(attempt: int, policy: Retry, draw: float) -> timedelta:
    """Say how long to wait before retry number `attempt`.

    attempt: 1 for the first retry.
    draw: a sample from [0, 1), passed in so that tests are exact; without jitter it changes nothing.
    Returns: from 0 to the policy's cap, in whole milliseconds.
    Source: "full jitter", aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter
    """
    doubled_s = policy.backoff.total_seconds() * 2.0 ** min(attempt - 1, _DOUBLINGS)
    ceiling_s = min(policy.cap.total_seconds(), doubled_s)
    return timedelta(milliseconds=round(ceiling_s * (draw if policy.jitter else 1.0) * 1000))


@lru_cache(maxsize=256)
def exception_classes(names: tuple[str, ...]) -> tuple[type[BaseException], ...]:
    """Import the exceptions that a policy names.

    Raises: AppError if a name cannot be imported or is no exception.
    """
    return tuple(_exception_class(name) for name in names)


def _exception_class(name: str) -> type[BaseException]:
    try:
        found = symbol_by_name(name if "." in name else f"builtins.{name}")
    except (ImportError, AttributeError, ValueError) as error:
        raise AppError(
            "APP-021",
            f'a policy names "{name}", which cannot be imported: {error}',
            fix='write the dotted name of an exception class, like "smtplib.SMTPException"',
        ) from error
    if not (isinstance(found, type) and issubclass(found, BaseException)):
        raise AppError(
            "APP-022",
            f'a policy names "{name}", which is no exception class',
            fix='write the dotted name of an exception class, like "smtplib.SMTPException"',
        )
    return found


def guard(task: Any) -> None:
    """Wrap `task.run` so that its failures follow the task's policy; once, however often it is called.

    The same place where Celery puts `autoretry_for`, which goes around this and sees what this lets through. Eager
    runs retry eagerly, direct calls raise what the task raised, and Retry, Ignore and Reject pass untouched.
    """
    inner: Callable[..., Any] = task.run
    if getattr(inner, _GUARDED, False):
        return

    @wraps(inner)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            ask_hooks(task)
            with passage(task):
                returned = inner(*args, **kwargs)
                if not is_coroutine(returned):
                    return returned
                if task.request.called_directly and in_event_loop():
                    return returned  # the caller awaits it, and sees what it raises
                return run_to_end(returned)
        except TaskPredicate:
            raise
        except NotNow as refusal:
            hold(task, refusal)
        except Exception as error:
            _retry(task, error)
            if isinstance(error, MemoryError) and _in_worker(task):
                raise Died(repr(error), requeue=True) from error
            raise
        except SystemExit as error:
            # Exactly SystemExit: Celery's own shutdown exceptions are subclasses. A pool process that was told to
            # terminate exits by a SystemExit too, and must.
            if type(error) is SystemExit and _in_worker(task) and not terminate_handler_fired():
                raise Died(repr(error), requeue=True) from error
            raise

    setattr(run, _GUARDED, True)
    task.run = run


def is_announced(retry: Any) -> bool:
    """Say whether a policy has raised this Retry, and has said so."""
    return getattr(retry, _ANNOUNCED, False)


def _in_worker(task: Any) -> bool:
    request = task.request
    return not (request.called_directly or request.is_eager)


def _retry(task: Any, error: Exception) -> None:
    """Raise Celery's Retry if the policy wants this failure tried again; return otherwise."""
    request = task.request
    policy: Retry | None = task.policy.retry if task.policy is not None else None
    if policy is None or request.called_directly or not isinstance(error, exception_classes(policy.on)):
        return
    attempt = request.retries + 1
    if policy.limit is not None and attempt > policy.limit:
        return
    # No security hangs on the draw.
    delay = next_delay(attempt, policy, random())  # noqa: S311
    retry = task.retry(exc=error, countdown=delay.total_seconds(), throw=False)
    setattr(retry, _ANNOUNCED, True)
    emit(
        "tasks",
        "task.retrying",
        task=task.name,
        task_id=request.id,
        delay_s=delay.total_seconds(),
        retry=attempt,
        error=repr(error),
    )
    raise retry
