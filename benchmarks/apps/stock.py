"""Stock Celery on Redis: late acks, and a prefetch for short tasks, so that it has no shorter arm."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from celery import Celery, group

from benchmarks.apps import BULK, NAP_S, redis_url, stores
from benchmarks.ticks import tick

app = Celery("bench", broker=redis_url(0), backend=redis_url(1))
app.conf.update(
    task_ignore_result=not stores(),
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=100,
    # With its default of ten, hundreds of greenlets that ack at once fail, and their tasks are not acked.
    broker_transport_options={"max_connections": 2000},
    redis_max_connections=2000,
)


@app.task(name="bench.noop")
def noop(number: int) -> int:
    tick(number)
    return number


@app.task(name="bench.load")
def load(number: int, text: str) -> int:
    tick(number)
    return number


@app.task(name="bench.nap")
def nap(number: int) -> int:
    time.sleep(NAP_S)
    tick(number)
    return number


def connect() -> None:
    """Open the first connection, which is not counted."""
    with app.connection_for_write() as connection:
        connection.connect()


def one_by_one(kind: str, arguments: Iterable[tuple[Any, ...]]) -> None:
    task = app.tasks[f"bench.{kind}"]
    for each in arguments:
        task.delay(*each)


def in_bulk(kind: str, arguments: Iterable[tuple[Any, ...]]) -> None:
    """Send in kombu's batches."""
    task = app.tasks[f"bench.{kind}"]
    with app.producer_or_acquire() as producer, producer.batch(max_size=BULK):
        for each in arguments:
            task.apply_async(each, producer=producer)


def as_group(kind: str, arguments: Iterable[tuple[Any, ...]]) -> None:
    """Send all as one group, by one call."""
    task = app.tasks[f"bench.{kind}"]
    group(task.s(*each) for each in arguments).apply_async()
