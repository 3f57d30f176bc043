"""Whether a queue's depth slows its workers: the drain of 10,000 messages beside that of a million."""

from __future__ import annotations

import json
import statistics
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from redis import Redis
from tests.servers.redis_server import running_redis

from benchmarks import ticks
from benchmarks.runner import Runner
from benchmarks.systems import SYSTEMS, System, environ_of

SHALLOW, SHALLOW_TIMES = 10_000, 5
_CHUNK = 2_000


def measured() -> System:
    """The system that is measured: two of our workers."""
    return next(system for system in SYSTEMS if system.name == "Celeriac, solo × 2")


def measure_depths(folder: Path, deep: int) -> dict[str, float]:
    """Drain a queue of SHALLOW messages several times, and one of `deep`, results ignored.

    deep: at most what `ticks` has numbers for, the shallow ones besides.
    Returns: shallow and deep (tasks a second), deep_messages, deep_message_bytes.
    Raises: TimeoutError, RuntimeError if a task does not run exactly once.
    """
    system = measured()
    (folder / "redis").mkdir()
    with running_redis(folder / "redis") as redis, Redis.from_url(redis.url) as client:
        runner = Runner(system, folder, environ_of(system, folder, redis, stored=False))
        runner.send("one_by_one", 1)
        like = client.lindex("default", 0)
        rates = []
        with runner.workers(system.workers):
            runner.wait()
            for _ in range(SHALLOW_TIMES):
                messages = list(_copies(like, runner.sent, SHALLOW))
                runner.expect(SHALLOW)
                started = time.monotonic()
                client.lpush("default", *messages)
                rates.append(SHALLOW / (runner.wait().last - started))
        before = client.info("memory")["used_memory"]
        for start in range(0, deep, _CHUNK):
            client.lpush("default", *_copies(like, runner.sent + start, min(_CHUNK, deep - start)))
        runner.expect(deep)
        message_bytes = (client.info("memory")["used_memory"] - before) / deep
        done = ticks.read(runner.ticks).finished
        with runner.workers(system.workers):
            runner.wait(done + 1)
            first = time.monotonic()
            begun = ticks.read(runner.ticks).finished
            tally = runner.wait()
            rate = (runner.sent - begun) / (tally.last - first)
        runner.check()
    return {
        "shallow": statistics.median(rates),
        "deep": rate,
        "deep_messages": deep,
        "deep_message_bytes": message_bytes,
    }


def _copies(like: bytes, first: int, count: int) -> Iterator[bytes]:
    """Give `count` messages like the one that was sent, each with an id and a number of its own."""
    envelope = json.loads(like)
    old_id, old_body = envelope["headers"]["id"].encode(), envelope["body"].encode()
    body = b64decode(old_body)
    head, _, tail = like.partition(old_body)
    args, _, rest = body.partition(b"]")
    opening = args[: args.rindex(b"[") + 1]
    for number in range(first, first + count):
        own = b64encode(b"%b%d]%b" % (opening, number, rest))
        task_id = str(uuid4()).encode()
        yield head.replace(old_id, task_id) + own + tail.replace(old_id, task_id)
