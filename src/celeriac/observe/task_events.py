"""Having an app tell of its task runs: what `celeriac.app` calls where the plan keeps records of them."""

from __future__ import annotations

import time
from typing import Any

from celery import Celery, signals

from celeriac import wire

#: by name: only a worker has to import them
_EVENTS = "celeriac.observe.dispatcher:Events"
_SEND_THE_REST = "celeriac.observe.dispatcher:SendTheRest"


def send_task_events(app: Celery) -> None:
    """Have the app's workers send task events in batches, and its senders say when a task was sent."""
    app.events_cls = _EVENTS if app.events_cls == Celery.events_cls else app.events_cls
    app.steps["consumer"].add(_SEND_THE_REST)
    signals.before_task_publish.connect(_say_when, dispatch_uid=_EVENTS)


def _say_when(headers: Any = None, **_: Any) -> None:
    if isinstance(headers, dict):
        headers[wire.SENT] = time.time()
