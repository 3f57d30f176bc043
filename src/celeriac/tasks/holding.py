"""How a task that may not run now goes back to the broker: the same task, the same id, no retry spent."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from typing import Any, NoReturn

from celery.exceptions import Ignore, Reject
from celery.utils.time import maybe_iso8601, maybe_make_aware

from celeriac import wire
from celeriac.errors import AppError, NotNow
from celeriac.events import emit
from celeriac.tasks.hooks import run_of
from celeriac.tasks.runtime import runtime_of


def ask_hooks(task: Any) -> None:
    """Let the app's hooks refuse a run. Raises: what the first that refuses raises."""
    hooks = getattr(getattr(task.app, "celeriac", None), "hooks", None)
    if hooks and not task.request.called_directly:
        hooks.admit(run_of(task, task.request))


def passage(task: Any) -> AbstractContextManager[None]:
    """Give what a run of the task has to pass; nothing for one that is called directly, or that nothing guards.

    Raises: AppError if nobody can be asked: what is guarded does not run unasked.
    """
    policy, request = task.policy, task.request
    if policy is None or (policy.breaker is None and policy.rate is None) or request.called_directly:
        return nullcontext()
    gate = runtime_of(task.app).gate
    if gate is None:
        raise AppError(
            "APP-023",
            f"{task.name} has a breaker or a rate, but the app has nothing to ask whether it may run",
            fix="make the app with celeriac.create_app, or adopt it",
        )
    return gate.through(policy, task.name, request.id, _patience(task))


def hold(task: Any, refusal: NotNow) -> NoReturn:
    """Send the running task back, to be delivered again when `refusal.wait` has passed.

    The message that is being run is acked after the new one was accepted; on the embedded broker a crash between the
    two makes no second task.
    Raises: Ignore once the task is back at the broker; Reject, which gives the message back as it is, if that failed;
        the refusal itself where there is no broker to wait at.
    """
    request = task.request
    if request.called_directly or request.is_eager:
        raise refusal
    headers: dict[str, Any] = dict(request.headers or {})
    times = _times_held(headers) + 1
    headers[wire.HELD] = times
    headers[wire.ONCE] = f"held:{request.id}:{wire.generation_of(headers)}:{request.retries}:{times}"
    wait_s = refusal.wait.total_seconds()
    try:
        back = task.signature_from_request(
            request, countdown=wait_s, retries=request.retries, headers=headers
        )
        back.apply_async()
    except Exception as trouble:
        raise Reject(
            f"it may not run now, and could not be sent back: {trouble!r}", requeue=True
        ) from trouble
    emit(
        "tasks",
        "task.held",
        task=task.name,
        task_id=request.id,
        wait_s=wait_s,
        why=refusal.message,
        times=times,
    )
    # Celery writes out the traceback of what it ignores, causes and all: milliseconds for each task that waits.
    raise Ignore(refusal.message) from None


def _patience(task: Any) -> timedelta | None:
    """Say when the running task expires; None: never."""
    expires = task.request.expires
    if isinstance(expires, str):
        expires = maybe_iso8601(expires)
    if not isinstance(expires, datetime):
        return None
    expires = maybe_make_aware(expires, task.app.timezone)
    return max(expires - datetime.now(expires.tzinfo), timedelta())


def _times_held(headers: Mapping[str, Any]) -> int:
    times = headers.get(wire.HELD, 0)
    return times if isinstance(times, int) and times > 0 else 0
