"""Making an app observable: what `celeriac.app` calls for every app."""

from __future__ import annotations

from celery import Celery

from celeriac.observe.metrics.counting import Counting
from celeriac.observe.metrics.tally import Tally
from celeriac.observe.places import books_folder, pulses_folder
from celeriac.observe.pulse import follow_worker
from celeriac.plan import Plan


def observe(app: Celery, plan: Plan) -> None:
    """Give the app's workers their heartbeat files, and what else the plan asks for: counts.

    Writes nothing before a worker starts or a task is sent.
    """
    follow_worker(app, pulses_folder(plan))
    if plan.metrics is not None:
        Counting(app, Tally(books_folder(plan))).connect()
