"""Telling Sentry of tasks that failed for good, by Celery's signals and our events.

Sentry's own Celery integration is left out: it patches Celery, and does not see what the worker's main process learns
(a killed slot, a hard time limit).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from celery import Celery, signals
from celery.exceptions import TimeLimitExceeded, WorkerLostError

from celeriac import events
from celeriac.errors import AppError, redacted
from celeriac.plan import Plan

_FLUSH_S = 2.0
#: how deep an event of Sentry's is looked through for credentials
_DEPTH = 20


def report_failures(app: Celery, plan: Plan) -> None:
    """Report failures to the plan's `[sentry]`, if it has one and its `dsn` is not empty.

    Raises: AppError if sentry-sdk is not installed.
    """
    if plan.sentry is None or not plan.sentry.dsn:
        return
    try:
        import sentry_sdk  # noqa: PLC0415 - an extra
        from sentry_sdk.integrations.logging import LoggingIntegration  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise AppError(
            "APP-041",
            f'the plan reports to Sentry, but there is no module "{error.name}"',
            at="[sentry]",
            fix="pip install 'celeriac[sentry]', or leave the dsn empty",
        ) from error
    sentry_sdk.init(
        dsn=plan.sentry.dsn,
        environment=plan.sentry.environment or plan.environment or "production",
        auto_enabling_integrations=False,
        # Log records are crumbs of the way to a failure; a failure is reported once, and not by its log line too.
        integrations=[LoggingIntegration(level=logging.INFO, event_level=None)],
        before_send=without_credentials,
        before_breadcrumb=without_credentials,
        # Local variables and arguments hold what is nobody's business.
        include_local_variables=False,
        send_default_pii=False,
    )
    Reporter(sentry_sdk).connect()


class Reporter:
    """Reports by Celery's signals and our events, through an initialised SDK."""

    def __init__(self, sdk: Any) -> None:
        self._sdk = sdk

    def connect(self) -> None:
        """Listen from now on; connecting again replaces the listener."""
        for signal, receiver in (
            (signals.task_failure, self.on_failure),
            (signals.worker_process_shutdown, self.flush),
            (signals.worker_shutdown, self.flush),
        ):
            uid = f"celeriac.observe.sentry:{receiver.__name__}"
            signal.disconnect(dispatch_uid=uid)
            signal.connect(receiver, weak=False, dispatch_uid=uid)
        events.listen("sentry", self.on_event)

    def on_failure(self, sender: Any = None, task_id: str = "", exception: Any = None, **_: Any) -> None:
        """Report what a task failed with, unless the task says it expects that."""
        # The end of a process is told by the letter that follows.
        told_elsewhere = (WorkerLostError, TimeLimitExceeded, *(sender.throws or ()))
        if not isinstance(exception, Exception) or isinstance(exception, told_elsewhere):
            return
        request = sender.request
        with self._sdk.new_scope() as scope:
            scope.set_transaction_name(sender.name, source="task")
            scope.set_tag("task", sender.name)
            scope.set_tag("queue", (request.delivery_info or {}).get("routing_key"))
            scope.set_tag("attempt", (request.retries or 0) + 1)
            scope.set_tag("task_id", task_id)
            self._sdk.capture_exception(exception)

    def on_event(self, _room: str, event: str, fields: Mapping[str, Any]) -> None:
        """Report a letter whose reason no exception of a task tells."""
        if event != "letter.written" or fields["reason"] == "failed":
            return
        with self._sdk.new_scope() as scope:
            for name in ("task", "task_id", "letter", "reason"):
                scope.set_tag(name, str(fields[name]))
            scope.fingerprint = ["celeriac", "letter", str(fields["task"]), str(fields["reason"])]
            self._sdk.capture_message(
                f"task {fields['task']} became a letter: {fields['reason']}", level="error"
            )

    def flush(self, **_: Any) -> None:
        """Send what waits, in a process that ends; a pool process leaves without its exit handlers."""
        self._sdk.flush(_FLUSH_S)


def without_credentials(event: Any, _hint: Any = None, depth: int = _DEPTH) -> Any:
    """Give an event of Sentry's with the passwords of all URLs hidden."""
    if isinstance(event, str):
        return redacted(event)
    if depth == 0:
        return event
    if isinstance(event, dict):
        return {key: without_credentials(value, None, depth - 1) for key, value in event.items()}
    if isinstance(event, list | tuple):
        return [without_credentials(value, None, depth - 1) for value in event]
    return event
