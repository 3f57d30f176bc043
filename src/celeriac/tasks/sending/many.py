"""Sending many tasks at once, by as few round trips as the broker allows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from celery import current_app
from celery.canvas import Signature
from celery.result import AsyncResult

#: what `send_many` takes for one task: a signature, or the task, its args, kwargs and options of `apply_async`
Call = Any


def send_many(calls: Iterable[Call], *, app: Any = None) -> list[AsyncResult]:
    """Send tasks in batches, in their order, and give their results in the same order.

    calls: signatures (canvas of any kind too), or tuples of a task or its name, and then, each may be left out, its
        args, kwargs and the options of `apply_async`.
    app: whose producers are used; None: that of the first task.
    Everything is prepared before anything is sent: what raises while that is done leaves nothing sent.
    Raises: PartlySent if the broker failed after some, with the ids of those sent; NotSent if nothing was; QueueFull
    if there was no room for the first batch; and what `apply_async` raises.
    """
    given = list(calls)
    if not given:
        return []
    app = app or _app_of(given[0])
    if app.conf.task_always_eager:
        return [_apply(app, call, None) for call in given]
    with app.producer_or_acquire(None) as producer:
        collecting = getattr(producer, "collecting", producer.batch)
        with collecting():
            return [_apply(app, call, producer) for call in given]


def _app_of(call: Call) -> Any:
    task = call if isinstance(call, Signature) else call[0]
    return current_app if isinstance(task, str) else task.app


def _apply(app: Any, call: Call, producer: Any) -> AsyncResult:
    options = {} if producer is None else {"producer": producer}
    if isinstance(call, Signature):
        return call.apply_async(**options)
    task, args, kwargs, own, *rest = (*call, *(None, {}, {})[len(call) - 1 :]) if len(call) < 4 else call
    if rest:
        raise TypeError("a call is (task, args, kwargs, options), of which all but the task may be left out")
    options |= own or {}
    if isinstance(task, str):
        return app.send_task(task, args or (), kwargs or {}, **options)
    return task.apply_async(args or (), kwargs or {}, **options)
