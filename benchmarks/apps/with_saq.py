"""saq on Redis, with a second attempt for each job: with its default of one, a job whose worker died is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from saq import Queue

from benchmarks.apps import NAP_S, redis_url, slots, stores
from benchmarks.ticks import tick

queue = Queue.from_url(redis_url(0), name="bench")
#: -1: a job's information is not kept
_OPTIONS: dict[str, Any] = {"retries": 3, "ttl": 86400 if stores() else -1, "timeout": 60}
#: sends that are under way at once
TOGETHER = 100
_loop = asyncio.new_event_loop()


async def noop(context: Any, *, number: int) -> int:
    tick(number)
    return number


async def load(context: Any, *, number: int, text: str) -> int:
    tick(number)
    return number


async def nap(context: Any, *, number: int) -> int:
    await asyncio.sleep(NAP_S)
    tick(number)
    return number


settings = {"queue": queue, "functions": [noop, load, nap], "concurrency": slots(10)}


def connect() -> None:
    _loop.run_until_complete(queue.connect())


def _named(each: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(("number", "text"), each, strict=False))


def one_by_one(kind: str, arguments: Iterable[tuple[Any, ...]]) -> None:
    async def send() -> None:
        for each in arguments:
            await queue.enqueue(kind, **_named(each), **_OPTIONS)

    _loop.run_until_complete(send())


def in_bulk(kind: str, arguments: Iterable[tuple[Any, ...]]) -> None:
    async def send() -> None:
        waiting = list(arguments)
        for start in range(0, len(waiting), TOGETHER):
            some = waiting[start : start + TOGETHER]
            await asyncio.gather(*(queue.enqueue(kind, **_named(each), **_OPTIONS) for each in some))

    _loop.run_until_complete(send())
