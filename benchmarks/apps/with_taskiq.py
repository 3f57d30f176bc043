"""taskiq on Redis streams: a message is acked when its result is saved."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from benchmarks.apps import NAP_S, redis_url, stores
from benchmarks.ticks import tick

broker = RedisStreamBroker(redis_url(0))
if stores():
    broker = broker.with_result_backend(RedisAsyncResultBackend(redis_url(1), result_ex_time=86400))

#: sends that are under way at once
TOGETHER = 100
_loop = asyncio.new_event_loop()


@broker.task(task_name="bench.noop")
async def noop(number: int) -> int:
    tick(number)
    return number


@broker.task(task_name="bench.load")
async def load(number: int, text: str) -> int:
    tick(number)
    return number


@broker.task(task_name="bench.nap")
async def nap(number: int) -> int:
    await asyncio.sleep(NAP_S)
    tick(number)
    return number


def connect() -> None:
    _loop.run_until_complete(broker.startup())


def one_by_one(kind: str, arguments: Iterable[tuple[Any, ...]]) -> None:
    task = {"noop": noop, "load": load, "nap": nap}[kind]

    async def send() -> None:
        for each in arguments:
            await task.kiq(*each)

    _loop.run_until_complete(send())


def in_bulk(kind: str, arguments: Iterable[tuple[Any, ...]]) -> None:
    task = {"noop": noop, "load": load, "nap": nap}[kind]

    async def send() -> None:
        waiting = list(arguments)
        for start in range(0, len(waiting), TOGETHER):
            await asyncio.gather(*(task.kiq(*each) for each in waiting[start : start + TOGETHER]))

    _loop.run_until_complete(send())
