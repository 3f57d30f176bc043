"""What becomes of the tasks of a slot that has died: one outcome for what it ran, the rest back to its queue."""

from __future__ import annotations

from typing import Any, NamedTuple

from billiard.common import human_status
from billiard.einfo import ExceptionInfo
from celery.exceptions import TimeLimitExceeded, WorkerLostError
from celery.utils.log import get_logger
from celery.worker.strategy import hybrid_to_proto2, proto1_to_proto2
from kombu.utils.imports import symbol_by_name

from celeriac.pools.processes.page import Run
from celeriac.pools.processes.slot import Order, Slot
from celeriac.security import guard_of

logger = get_logger(__name__)


class Dead(NamedTuple):
    """A slot's process that has ended, and not as it should.

    run: what it ran; None if nothing. order: what it was killed for; None if not by us. is_dropped: the worker stops
    at once, so that nothing of this was the task's fault.
    """

    slot: Slot
    pid: int
    exit_code: int
    run: Run | None
    consumer: str
    order: Order | None
    is_dropped: bool


class NoPool:
    """Where the process of a terminated task is: nowhere any more."""

    def terminate_job(self, pid: int, signal: int | None = None) -> None:
        """Nothing: it has ended."""


def bury(app: Any, hostname: str, consumer: Any, dead: Dead) -> None:
    """Settle everything that the dead process had, then let others see that it is gone.

    consumer: the parent's. Raises: what the broker does when it cannot be reached; nothing is settled twice if this is
    called again.
    """
    with app.connection_for_write() as connection:
        tag = dead.run.tag if dead.run is not None else ""
        message, others, channel = None, [], None
        if dead.consumer and hasattr(getattr(connection.transport, "Channel", None), "inherit"):
            channel = connection.default_channel
            message, others = channel.inherit(dead.consumer, tag)
        if message is None and dead.run is not None:
            message = _copied(app, dead, dead.run)
        errors = (*connection.connection_errors, *connection.channel_errors)
        if message is not None and dead.run is not None:
            try:
                _end(app, hostname, consumer, dead, dead.run, message, errors)
            except (
                Exception
            ):  # of a request or a handler of the team's: the message goes back as the channel closes
                logger.exception("the end of %s[%s] cannot be taken", dead.run.name, dead.run.task_id)
        for other in others:
            other.reject_log_error(logger, errors, requeue=True)
        if channel is not None:
            channel.bury(dead.consumer)
    dead.slot.release()


def _copied(app: Any, dead: Dead, run: Run) -> Any:
    task = app.tasks.get(run.name)
    is_acked = task is not None and not task.acks_late
    if dead.slot.wire is None and not is_acked:
        return None
    return dead.slot.copy.read(run.tag, dead.slot.wire, is_acked=is_acked)


def _end(
    app: Any, hostname: str, consumer: Any, dead: Dead, run: Run, message: Any, errors: tuple[Any, ...]
) -> None:
    """Have the task's own Request take the end of the run, as a prefork pool would."""
    task = app.tasks[run.name]
    order = dead.order if dead.order is not None and dead.order.number == run.number else None
    is_bystander = order is None and (dead.is_dropped or dead.order is not None)
    if is_bystander:
        # It was not this run that its process was killed for.
        if not message.acknowledged:
            message.reject_log_error(logger, errors, requeue=True)
        return
    request = _request(app, hostname, consumer, task, message, errors)
    request.time_start, request.worker_pid = run.began, dead.pid
    if order is None or order.why == "limit":
        mark = getattr(message.channel, "mark_started", None)
        if mark is not None and not message.acknowledged:
            mark(message.delivery_tag)
    if order is None:
        status = human_status(dead.exit_code)
        lost = WorkerLostError(f"Worker exited prematurely: {status} Job: {run.number // 2}.")
        request.on_failure(_raised(lost))
    elif order.why == "limit":
        # A prefork pool calls both, in this order.
        request.on_failure(_raised(TimeLimitExceeded(order.value)))
        request.on_timeout(False, order.value)
    elif order.why == "revoked":
        request.terminate(NoPool(), int(order.value))
    else:
        request.cancel(NoPool())
        if not message.acknowledged:
            message.reject_log_error(logger, errors, requeue=True)


def _raised(error: Exception) -> ExceptionInfo:
    try:
        raise error
    except type(error):
        return ExceptionInfo()


def _request(app: Any, hostname: str, consumer: Any, task: Any, message: Any, errors: tuple[Any, ...]) -> Any:
    guard = guard_of(app)
    if guard is not None:
        guard.open(message)
    if "args" in message.headers or "task" in message.headers:
        parts = (message.body, message.headers, False, app.uses_utc_timezone())
        if isinstance(message.payload, dict):
            parts = hybrid_to_proto2(message, message.payload)
    else:
        parts = proto1_to_proto2(message, message.payload)
    body, headers, decoded, utc = parts
    return symbol_by_name(task.Request)(
        message,
        on_ack=message.ack_log_error,
        on_reject=message.reject_log_error,
        app=app,
        hostname=hostname,
        eventer=getattr(consumer, "event_dispatcher", None),
        task=task,
        connection_errors=errors,
        body=body,
        headers=headers,
        decoded=decoded,
        utc=utc,
    )
