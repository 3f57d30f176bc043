"""A message taken by fewer steps, for pools that run tasks in this process and workers to whom nobody listens.

Celery's own strategy leaves the body as it came, for the pool's process to decode once more on the other side of a
pipe. A pool without a pipe takes what was decoded here. All that happens to the task is Celery's own code, called in
Celery's order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery import signals
from celery.app import trace
from celery.worker import state, strategy
from celery.worker.request import create_request_cls
from kombu.utils.imports import symbol_by_name


def swift(task: Any, app: Any, consumer: Any) -> Callable[[Any, Any, Any, Any], bool] | None:
    """Give the function that takes a message by the short way, and says whether it did; None if the way is never open.

    It is open on pools that take a body as it is in memory, while no event is sent and nothing limits the task's rate;
    message by message, to those in protocol 2 with no eta, expiry or stamps.
    """
    if not getattr(consumer.pool, "body_can_be_buffer", False):
        return None
    eventer, hostname = consumer.event_dispatcher, consumer.hostname
    connection_errors = consumer.connection_errors
    handle, buckets = consumer.on_task_request, consumer.task_buckets
    is_limited = not consumer.disable_rate_limits
    is_utc = app.uses_utc_timezone()
    is_logged = strategy.logger.isEnabledFor(logging.INFO)
    request_class = create_request_cls(
        symbol_by_name(task.Request), task, consumer.pool, hostname, eventer, app=app
    )

    def tells_of_tasks() -> bool:
        # Asked each time: `celery control enable_events` opens the group in a worker that runs.
        return bool(eventer and eventer.enabled and (not eventer.groups or "task" in eventer.groups))

    def take(message: Any, ack: Any, reject: Any, callbacks: Any) -> bool:
        headers, payload = message.headers, message.payload
        get = headers.get
        if type(payload) is dict or get("eta") is not None or get("expires") is not None:
            return False
        if get("stamped_headers") or tells_of_tasks():
            return False
        if is_limited and buckets[task.name] is not None:
            return False
        request = request_class(
            message,
            on_ack=ack,
            on_reject=reject,
            app=app,
            hostname=hostname,
            eventer=eventer,
            task=task,
            connection_errors=connection_errors,
            body=payload,
            headers=headers,
            decoded=True,
            utc=is_utc,
        )
        if is_logged:
            about = {
                "id": request.id,
                "name": request.name,
                "args": request.argsrepr,
                "kwargs": request.kwargsrepr,
                "eta": None,
            }
            strategy.logger.info(trace.LOG_RECEIVED, about, extra={"data": about})
        if request.id in state.revoked and request.revoked():
            return True
        if signals.task_received.receivers:
            signals.task_received.send(sender=consumer, request=request)
        state.task_reserved(request)
        for callback in callbacks or ():
            callback(request)
        handle(request)
        return True

    return take
