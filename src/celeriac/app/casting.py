"""Which consumer a worker has: that of its app, or one that its executor makes of it."""

from __future__ import annotations

from typing import Any

from celery import concurrency
from kombu.utils.imports import symbol_by_name


def cast_consumer(sender: Any, **_: Any) -> None:
    """Give a worker its executor's consumer, before it makes one: a receiver of Celery's `worker_init`."""
    pool = concurrency.get_implementation(sender.pool_cls)
    # By a name on the class: importing an executor costs every sender of tasks what only its workers need.
    casting = getattr(pool, "casting", None)
    if casting is not None:
        sender.consumer_cls = symbol_by_name(casting)(symbol_by_name(sender.consumer_cls))
