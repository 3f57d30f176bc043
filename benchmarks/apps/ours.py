"""Celeriac on Redis, on the plan the benchmark wrote."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from typing import Any

import celeriac
from benchmarks.apps import NAP_S, stores
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
