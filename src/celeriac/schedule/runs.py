"""Whether the last run of a schedule has ended, as far as its result says."""

from __future__ import annotations

from datetime import timedelta

from celery import Celery
from celery.backends.base import DisabledBackend
from celery.states import PENDING, READY_STATES

#: how long a run without any result is waited for where results never expire
_UNKNOWN_AFTER_S = 86_400.0


def can_tell(app: Celery) -> bool:
    """Whether the app keeps results at all."""
    return not isinstance(app.backend, DisabledBackend)


def has_ended(app: Celery, task_id: str, sent_at: float, now: float) -> bool:
    """Say whether a task has ended: with a result, an error, as a letter, revoked or expired.

    One of which the backend knows nothing waits in its queue, or its result has expired; once a result would have,
    it counts as ended, so that a lost one does not hold up its schedule for ever.
    Raises: what the backend raises when it cannot be asked.
    """
    state = app.AsyncResult(task_id).state
    if state in READY_STATES:
        return True
    return bool(state == PENDING and now - sent_at > _result_kept_s(app))


def is_known(app: Celery, task_id: str) -> bool:
    """Say whether the backend has heard of a task; if not, it may still have been sent."""
    return can_tell(app) and bool(app.AsyncResult(task_id).state != PENDING)


def _result_kept_s(app: Celery) -> float:
    expires = app.conf.result_expires
    if isinstance(expires, timedelta):
        expires = expires.total_seconds()
    return float(expires) if expires else _UNKNOWN_AFTER_S
