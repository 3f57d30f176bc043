"""Making an app observable: what `celeriac.app` calls for every app."""

from __future__ import annotations

from celery import Celery

from celeriac.observe.logs.records import mark_records
from celeriac.observe.logs.setup import follow_celery
from celeriac.observe.metrics.counting import Counting
from celeriac.observe.metrics.tally import Tally
from celeriac.observe.places import books_folder, pulses_folder
from celeriac.observe.pulse import follow_worker
from celeriac.observe.sentry import report_failures
from celeriac.observe.tracing import trace_tasks
from celeriac.plan import Plan


def observe(app: Celery, plan: Plan) -> None:
    """Mark and redact this process's log records, give workers their heartbeat files, and do what the plan asks for.

    Writes nothing before a worker starts or a task is sent.
    Raises: AppError if the plan asks for what is not installed.
    """
    mark_records()
    follow_celery(app, plan)
    follow_worker(app, pulses_folder(plan))
    trace_tasks(app, plan)
    report_failures(app, plan)
    if plan.metrics is not None:
        Counting(app, Tally(books_folder(plan))).connect()
