"""dramatiq on Redis with its defaults; results by its middleware."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from benchmarks.apps import NAP_S, redis_url, stores
from benchmarks.ticks import tick

broker = RedisBroker(url=redis_url(0))
if stores():
    broker.add_middleware(
        Results(backend=RedisBackend(url=redis_url(1)), store_results=True, result_ttl=86_400_000)
    )
dramatiq.set_broker(broker)


def _said(number: int) -> int | None:
    # It warns about each result that nobody keeps.
    return number if stores() else None


@dramatiq.actor
def noop(number: int) -> int | None:
    tick(number)
    return _said(number)


@dramatiq.actor
def load(number: int, text: str) -> int | None:
    tick(number)
    return _said(number)


@dramatiq.actor
def nap(number: int) -> int | None:
    time.sleep(NAP_S)
    tick(number)
    return _said(number)


def connect() -> None:
    broker.client.ping()


def one_by_one(kind: str, arguments: Iterable[tuple[Any, ...]]) -> None:
    actor = {"noop": noop, "load": load, "nap": nap}[kind]
    for each in arguments:
        actor.send(*each)
