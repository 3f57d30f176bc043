"""huey on Redis; a task that its consumer has popped is lost when the consumer dies."""

from __future__ import annotations

import os

if os.environ["BENCH_NAPPERS"]:
    # Its greenlets are many at once only where the project patches the standard library, before anything else.
    from gevent import monkey

    monkey.patch_all()

import time
from collections.abc import Iterable
from typing import Any

from huey import RedisHuey

from benchmarks.apps import NAP_S, redis_url, stores
from benchmarks.ticks import tick

huey = RedisHuey("bench", url=redis_url(0), results=stores())


def _said(number: int) -> int | None:
    return number if stores() else None


@huey.task()
def noop(number: int) -> int | None:
    tick(number)
    return _said(number)


@huey.task()
def load(number: int, text: str) -> int | None:
    tick(number)
    return _said(number)


@huey.task()
def nap(number: int) -> int | None:
    time.sleep(NAP_S)
    tick(number)
    return _said(number)


def connect() -> None:
    huey.storage.conn.ping()


def one_by_one(kind: str, arguments: Iterable[tuple[Any, ...]]) -> None:
    task = {"noop": noop, "load": load, "nap": nap}[kind]
    for each in arguments:
        task(*each)
