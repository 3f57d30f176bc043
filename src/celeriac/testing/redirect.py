"""Taking a Celery app to a broker, a result backend and records of a test's own, and back again."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace as replaced
from pathlib import Path
from typing import Any

from celery import Celery, _state
from msgspec.structs import replace

from celeriac.app.planned import transport_options
from celeriac.deadletters import LetterPost
from celeriac.plan import Plan
from celeriac.tasks.runtime import runtime_of, settle

#: Celery reads these before any configuration, so that no setting of the team's reaches a real broker
BROKER_VARIABLES = ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL")
RESULTS_VARIABLE = "CELERY_RESULT_BACKEND"
#: the embedded broker of a test need not survive the loss of power
_BROKER, _RESULTS, _RECORDS = "broker.db?durability=relaxed", "results.db", "records.db"


def embedded_broker(folder: Path) -> str:
    """Name the embedded broker of a test."""
    return f"sqlite:///{folder / _BROKER}"


def moved(plan: Plan, folder: Path, broker: str | None = None) -> Plan:
    """Give the plan with everything it keeps in `folder`, its letters and heartbeats included.

    broker: None: the embedded one of that folder.
    """
    return replace(
        plan,
        broker=broker or embedded_broker(folder),
        brokers=(),
        results=f"sqlite:///{folder / _RESULTS}",
        state=f"sqlite:///{folder / _RECORDS}",
        coordination=f"sqlite:///{folder / _RECORDS}",
        metrics=None,
        folder=folder,
    )


@contextmanager
def redirected(app: Celery, folder: Path, broker: str | None = None) -> Iterator[Plan]:
    """Have the app, everything it sends and all processes started meanwhile work in `folder`; give its plan there."""
    own: Any = app
    before = runtime_of(app)
    plan = moved(before.plan, folder, broker)
    environ = {
        **dict.fromkeys(BROKER_VARIABLES, broker or embedded_broker(folder)),
        RESULTS_VARIABLE: f"sqlite:///{folder / _RESULTS}",
    }
    settings = {
        "broker_transport_options": {} if broker else transport_options(plan),
        "broker_transport": None,
        "broker_use_ssl": False,
        "task_always_eager": False,
    }
    kept_settings = {name: app.conf[name] for name in settings}
    kept_environ = {name: os.environ.get(name) for name in environ}
    kept_apps = (_state.default_app, getattr(_state._tls, "current_app", None))
    sink = LetterPost(app, plan.letters.queue)
    os.environ.update(environ)
    app.conf.update(settings)
    settle(app, replaced(before, plan=plan, sink=sink))
    app.set_current()
    app.set_default()
    _hang_up(own)
    try:
        yield plan
    finally:
        sink.close()
        for name, value in kept_environ.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        app.conf.update(kept_settings)
        settle(app, before)
        _state.set_default_app(kept_apps[0])
        _state._set_current_app(kept_apps[1])
        _hang_up(own)


def _hang_up(app: Any) -> None:
    """Drop what the app has connected to, and every tracer, which remembers the result backend it was built for."""
    for pool in (app.amqp._producer_pool, app._pool):
        if pool is not None:
            # kombu keeps pools by URL, and will hand the same ones out again.
            pool.force_close_all(close_pool=False)
            pool.setup()
    app._pool = app.amqp._producer_pool = app._backend_cache = None
    # Celery keeps result backends by thread, and offers no other way to let go of those of other threads.
    app._local = threading.local()
    for task in app.tasks.values():
        task.__trace__ = None
