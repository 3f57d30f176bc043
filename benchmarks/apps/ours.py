"""Celeriac on Redis, on the plan the benchmark wrote."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from itertools import islice
from typing import Any

from celery import group

import celeriac
from benchmarks.apps import BULK, NAP_S, stores
from benchmarks.ticks import tick

app = celeriac.create_app(os.environ["BENCH_PLAN"])
app.conf.task_ignore_result = not stores()


@app.task(name="bench.noop")
def noop(number: int) -> int:
    tick(number)
    return number


@app.task(name="bench.load")
def load(number: int, text: str) -> int:
    tick(number)
    return number


@app.task(name="bench.nap")
async def nap(number: int) -> int:
    await asyncio.sleep(NAP_S)
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
    """Send by `send_many`, some at a time, as from a source that is read piece by piece."""
    task, source = app.tasks[f"bench.{kind}"], iter(arguments)
    while some := [(task, each) for each in islice(source, BULK)]:
        celeriac.send_many(some)


def as_group(kind: str, arguments: Iterable[tuple[Any, ...]]) -> None:
    """Send all as one group, by one call."""
    task = app.tasks[f"bench.{kind}"]
    group(task.s(*each) for each in arguments).apply_async()
