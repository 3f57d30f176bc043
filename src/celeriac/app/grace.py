"""How long a worker that is told to stop may still finish what it runs."""

from __future__ import annotations

import weakref
from typing import Any

from celery import Celery, signals

SOFT_SHUTDOWN = "worker_soft_shutdown_timeout"

#: weakly, as the signal must not keep an app that nobody uses any more, and its connections
_granted: weakref.WeakSet[Celery] = weakref.WeakSet()


def grant_grace_once(app: Celery) -> None:
    """Let a cold shutdown wait for running tasks, unless a warm one has waited already.

    Whoever sends SIGQUIT first gets the grace of the pool before tasks are dropped; whoever sends it after SIGTERM has
    granted that grace, and wants the end.
    """

    _granted.add(app)
    signals.worker_shutting_down.connect(_spend, dispatch_uid=SOFT_SHUTDOWN)


def _spend(how: str, **_: Any) -> None:
    if how == "Warm":
        for app in list(_granted):
            app.conf[SOFT_SHUTDOWN] = 0.0
