"""Sending from many threads, from forked children and from coroutines."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, group

from celeriac import Plan, create_app, send_many
from celeriac.integrations.sending import Sender
from celeriac.tasks.sending.pool import Producers
from celeriac.tasks.sending.producer import Producer


def _app(broker: str, folder: Path) -> Celery:
    app = create_app(Plan(name="many", broker=broker, results="cache+memory://", folder=folder))

    @app.task(name="many.add", shared=False)
    def add(x: int) -> int:
        return x

    return app


@pytest.fixture(params=["redis", "sqlite", "rabbitmq"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "sqlite":
        made = _app("sqlite:///broker.db", tmp_path)
    else:
        server = request.getfixturevalue(f"{request.param}_server")
        made = _app(server.database(7) if request.param == "redis" else server.url, tmp_path)
    made.conf.task_default_queue = f"sending-{request.param}"
    with made.connection_for_write() as connection:
        queue = made.amqp.default_queue(connection.default_channel)
        queue.declare()
        queue.purge()
    return made


def _at_once(work: Callable[[int], list[str]], count: int) -> list[str]:
    """Do it in threads of their own, and give what all have returned; one that hangs fails the test, and is left."""
    done: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda number=number: done.append(work(number)), daemon=True)
        for number in range(count)
    ]
    for thread in threads:
        thread.start()
    give_up_at = time.monotonic() + 60
    for thread in threads:
        thread.join(max(give_up_at - time.monotonic(), 0))
    assert len(done) == count
    return [task_id for some in done for task_id in some]


def _waits(app: Celery) -> int:
    with app.connection_for_read() as connection:
        channel = connection.default_channel
        return int(channel.queue_declare(app.conf.task_default_queue, passive=True).message_count)


def test_many_threads_send_at_once(app: Celery) -> None:
    add = app.tasks["many.add"]

    def work(number: int) -> list[str]:
        ids = [add.delay(number).id for _ in range(10)]
        ids += [each.id for each in send_many(add.s(i) for i in range(10))]
        return ids + [each.id for each in group(add.s(i) for i in range(10)).apply_async()]

    ids = _at_once(work, 20)
    assert len(set(ids)) == 600
    assert _waits(app) == 600


def test_more_threads_than_producers_send_while_these_still_connect(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    create = Producers.create_producer

    def create_slowly(pool: Producers) -> Producer:
        time.sleep(0.2)
        made.append(pool)
        return create(pool)

    monkeypatch.setattr(Producers, "create_producer", create_slowly)
    add = app.tasks["many.add"]
    ids = _at_once(lambda number: [add.delay(number).id], 3 * app.conf.broker_pool_limit)
    assert len(set(ids)) == _waits(app) == 3 * app.conf.broker_pool_limit
    assert len(made) == app.conf.broker_pool_limit


def test_as_many_threads_send_again_after_a_sender_has_hung_up(app: Celery) -> None:
    add = app.tasks["many.add"]

    def work(number: int) -> list[str]:
        return [add.delay(number).id for _ in range(5)]

    async def open_and_close() -> None:
        async with Sender(app):
            pass

    before = _at_once(work, 20)
    asyncio.run(open_and_close())
    after = _at_once(work, 20)
    assert len({*before, *after}) == _waits(app) == 200


def test_a_child_forked_after_a_send_sends_on_a_connection_of_its_own(app: Celery) -> None:
    add = app.tasks["many.add"]
    add.delay(0)
    children = []
    for _ in range(3):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                for i in range(20):
                    add.delay(i)
                send_many(add.s(i) for i in range(20))
                status = 0
            finally:
                os._exit(status)
        children.append(pid)
    for i in range(20):
        add.delay(i)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
    add.delay(0)
    assert _waits(app) == 1 + 3 * 40 + 20 + 1


def test_coroutines_send_without_holding_up_the_loop(app: Celery) -> None:
    add = app.tasks["many.add"]

    async def main() -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.001)
                ticks += 1

        ticking = asyncio.create_task(tick())
        async with Sender(app, threads=4) as sender:
            await asyncio.gather(*(sender.send(add, i) for i in range(100)))
        ticking.cancel()
        return ticks

    assert asyncio.run(main()) > 0
    assert _waits(app) == 100


PRELOADED = """
import os, sys
from celeriac import Plan, create_app
app = create_app(Plan(name="pre", broker=sys.argv[1], results="cache+memory://"))
app.conf.task_default_queue = sys.argv[2]
@app.task(name="many.add")
def add(x): ...
add.delay(0)
pid = os.fork()
for i in range(50):
    add.delay(i)
if pid:
    sys.exit(os.waitpid(pid, 0)[1])
"""


def test_a_preloaded_server_that_forks_and_exits_loses_nothing(app: Celery, tmp_path: Path) -> None:
    url = app.conf.broker_url
    if app.connection_for_write().transport_cls.endswith("redis.transport:Transport"):
        url = str(url)
    subprocess.run(
        [sys.executable, "-c", PRELOADED, url, app.conf.task_default_queue],
        check=True,
        timeout=100,
        cwd=tmp_path,
    )
    assert _waits(app) == 101
