"""A task in a worker, from its message to its ack: what fails for good is a letter before it is acked."""

from __future__ import annotations

from typing import Any, NamedTuple

from billiard.einfo import ExceptionInfo
from celery import signals, states
from celery.exceptions import Ignore, Reject, Retry, Terminated, TimeLimitExceeded, WorkerLostError
from celery.utils.serialization import get_pickled_exception
from celery.worker import state
from celery.worker.request import Request as CeleryRequest
from kombu.utils.encoding import safe_repr

from celeriac.events import emit
from celeriac.tasks.deaths import DEATHS, reported_deliveries
from celeriac.tasks.failures import unwrapped, worker_lost
from celeriac.tasks.retry import Died
from celeriac.tasks.runtime import runtime_of


class Death(NamedTuple):
    """Why a task has failed for good, until its letter is written."""

    reason: str
    exception: BaseException | None
    traceback: str | None
    kind: type[BaseException] | None = None


class Request(CeleryRequest):
    """A Celery request that owes a letter for what fails for good, and settles the debt before the ack.

    Retry, Ignore, revoke and expiry owe nothing. `delivery_info["deliveries"]` says how many earlier deliveries ended
    without an outcome.
    """

    _owed: Death | None = None

    def __init__(self, message: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(message, *args, **kwargs)
        self.delivery_info["deliveries"] = reported_deliveries(message)

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """Tell the broker that the message is being run: from now on a dead worker counts against it."""
        self._mark_started()
        super().on_accepted(pid, time_accepted)

    def execute(self, loglevel: int | None = None, logfile: str | None = None) -> Any:
        """Run the task in this process, without a pool."""
        self._mark_started()
        return super().execute(loglevel, logfile)

    def on_failure(
        self, exc_info: ExceptionInfo, send_failed_event: bool = True, return_ok: bool = False
    ) -> None:
        """Take the end of a run that did not succeed.

        return_ok: True if the pool process has stored the outcome itself.
        """
        try:
            self._end_failed(unwrapped(exc_info), exc_info, send_failed_event, return_ok)
        except Exception as trouble:
            self._give_back_after(trouble)

    def _give_back_after(self, trouble: Exception) -> None:
        # Pools only log what their callbacks raise: the message would stay with this worker for ever.
        if self.acknowledged:
            raise trouble
        emit("tasks", "task.stray_error", queue=queue_of(self.message), error=repr(trouble))
        super().reject(requeue=True)

    def _end_failed(
        self, error: BaseException, exc_info: ExceptionInfo, send_failed_event: bool, return_ok: bool
    ) -> None:
        if isinstance(error, TimeLimitExceeded) and not return_ok:
            # The pool calls on_timeout next. Celery records the failure in both, which runs errbacks twice and
            # counts a chord's part twice; here only on_timeout does.
            self._owe("timeout", error, exc_info)
            state.task_ready(self)
            return
        if isinstance(error, Died | WorkerLostError | MemoryError | SystemExit | KeyboardInterrupt):
            self._on_worker_lost(error, exc_info, send_failed_event)
            return
        if isinstance(error, Reject):
            if error.requeue:
                self._on_no_outcome(error, exc_info)
                return
            self._owe("rejected", error, exc_info)
        elif not isinstance(error, Terminated | Ignore | Retry):
            self._owe("failed", error, exc_info)
        super().on_failure(exc_info, send_failed_event=send_failed_event, return_ok=return_ok)
        self._settle_early_ack()

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Take a run that passed its soft or its hard limit; past the hard one its process is killed.

        timeout: the limit in seconds.
        """
        if not soft:
            error = TimeLimitExceeded(timeout)
            self._owed = self._owed or Death("timeout", error, None)
            if self.task.acks_late and not self.acknowledged and not self.task.acks_on_timeout:
                # The team wants it run again; that too ends after `letters.after` deliveries.
                self._owed = None if self._may_run_again(error) else self._owed
        try:
            super().on_timeout(soft, timeout)
            if not soft:
                self._settle_early_ack()
        except Exception as trouble:
            self._give_back_after(trouble)

    def acknowledge(self) -> None:
        """Ack the message, after its letter is written if one is owed."""
        if self._owed is not None and not self.acknowledged:
            self._settle()
        else:
            DEATHS.forget(self.id)
            super().acknowledge()

    def reject(self, requeue: bool = False) -> None:
        """Give the message back; without `requeue` it becomes a letter instead of nothing."""
        if self.acknowledged:
            return
        if self._owed is None and not requeue:
            self._owed = Death("rejected", None, None)
        if self._owed is not None:
            self._settle()
        else:
            super().reject(requeue=requeue)

    def _mark_started(self) -> None:
        mark = getattr(self.message.channel, "mark_started", None)
        if mark is not None and self.task.acks_late and not self.acknowledged:
            mark(self.message.delivery_tag)
        if self.delivery_info["deliveries"] and not self.ignore_result:
            self._take_over()

    def _take_over(self) -> None:
        """Put this delivery on record before it runs.

        The process of the one before may only have been stopped: what it stores when it goes on comes too late then.
        """
        try:
            self.task.backend.store_result(
                self.id, {"hostname": self.hostname}, states.STARTED, request=self._context
            )
        except Exception as trouble:
            # Its outcome is stored with more patience, and fences as well.
            emit("tasks", "task.outcome_unstored", task=self.name, task_id=self.id, error=repr(trouble))

    def _on_worker_lost(self, error: BaseException, exc_info: ExceptionInfo, send_failed_event: bool) -> None:
        if self._already_cancelled or self._already_revoked:
            # We ended it ourselves. Unacked, the message goes back when the channel closes, without being counted.
            state.task_ready(self)
            return
        if not isinstance(error, WorkerLostError):
            exc_info = worker_lost(error, exc_info)
        if self._success_was_stored() or self._celery_retries():
            super().on_failure(exc_info, send_failed_event=send_failed_event)
            return
        self._on_no_outcome(unwrapped(exc_info), exc_info, may_requeue=self.task.reject_on_worker_lost)

    def _celery_retries(self) -> bool:
        """Say whether `retry_on_worker_lost` will send the task again by itself."""
        limit = self.task.max_retries
        return bool(self.task.retry_on_worker_lost) and (limit is None or self._context.retries < limit)

    def _on_no_outcome(
        self, error: BaseException, exc_info: ExceptionInfo, *, may_requeue: bool = True
    ) -> None:
        """Give the message another delivery, or end it as poison when it has had all of them."""
        state.task_ready(self)
        is_stopping = state.should_stop is not None or state.should_terminate is not None
        if is_stopping and self.task.acks_late and not self.acknowledged and may_requeue:
            # The worker is being stopped, perhaps by force: that is not the task's fault. Unacked, the message goes
            # back when the channel closes, without being counted.
            return
        if may_requeue and self.task.acks_late and not self.acknowledged and self._may_run_again(error):
            self.reject(requeue=True)
            return
        self._owe("poison", error, exc_info)
        self._record_failure(error, exc_info)
        self._settle()

    def _may_run_again(self, error: BaseException | None = None) -> bool:
        """Count this delivery as one without an outcome, and say whether the plan allows another."""
        after = runtime_of(self.app).plan.letters.after
        deaths = DEATHS.add(self.id, self.delivery_info["deliveries"])
        self.delivery_info["deliveries"] = deaths
        if deaths < after:
            emit(
                "tasks",
                "task.no_outcome",
                task=self.name,
                task_id=self.id,
                delivery=deaths,
                after=after,
                error=safe_repr(error),
            )
            return True
        return False

    def _record_failure(self, error: BaseException, exc_info: ExceptionInfo) -> None:
        """Store FAILURE and tell errbacks, chord, signals and event listeners, as Celery does for a lost worker."""
        context = self._context
        try:
            self.task.backend.mark_as_failure(
                self.id, error, exc_info.traceback, request=context, store_result=self.store_errors
            )
        except Exception as trouble:
            # The letter still says how the task ended, and must be written.
            emit("tasks", "task.outcome_unstored", task=self.name, task_id=self.id, error=repr(trouble))
        self.task.request_stack.push(context)
        try:
            signals.task_failure.send(
                sender=self.task,
                task_id=self.id,
                exception=error,
                args=self.args,
                kwargs=self.kwargs,
                traceback=exc_info.traceback,
                einfo=exc_info,
            )
        finally:
            self.task.request_stack.pop()
        self.send_event("task-failed", exception=safe_repr(error), traceback=exc_info.traceback)

    def _owe(self, reason: str, error: BaseException, exc_info: ExceptionInfo) -> None:
        exception = get_pickled_exception(error)
        # An exception that cannot be pickled travels from its slot as the nearest base that can; its class may still.
        raised = exc_info.type
        is_more = isinstance(raised, type) and issubclass(raised, type(exception))
        self._owed = Death(reason, exception, exc_info.traceback, raised if is_more else None)

    def _settle_early_ack(self) -> None:
        if self._owed is not None and self.acknowledged:
            self._settle()

    def _settle(self) -> None:
        """Write the letter that is owed, then ack; if it cannot be written, give the message back instead."""
        death, self._owed = self._owed, None
        assert death is not None
        try:
            runtime_of(self.app).sink.capture(
                self.message,
                reason=death.reason,
                queue=queue_of(self.message),
                exception=death.exception,
                kind=death.kind,
                traceback=death.traceback,
                attempts=(self.request_dict.get("retries") or 0) + 1,
                deliveries=self.delivery_info["deliveries"],
                worker=self.hostname,
            )
        except Exception as trouble:
            emit("tasks", "letter.unwritten", task=self.name, task_id=self.id, error=repr(trouble))
            if not self.acknowledged:
                super().reject(requeue=True)
        else:
            DEATHS.forget(self.id)
            super().acknowledge()


def queue_of(message: Any) -> str:
    """Name the queue a message came from; on brokers that do not say, its routing key."""
    info = message.delivery_info or {}
    return str(info.get("queue") or info.get("routing_key") or "")
