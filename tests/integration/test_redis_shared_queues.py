"""Queues on Redis shared with stock Celery 5.7: real producers and workers of both, in every pairing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery
from redis import Redis

from servers.project import Project
from servers.redis_server import RedisServer

STOCK = """\
import os
from celery import Celery
from celery.canvas import chord, group

app = Celery("pair", broker=os.environ["BROKER"], backend=os.environ["RESULTS"])
app.conf.update(worker_prefetch_multiplier=1, broker_connection_retry_on_startup=True)

@app.task(name="pair.add")
def add(x, y):
    return [x + y, __name__]

@app.task(name="pair.total")
def total(parts):
    return sum(value for value, _ in parts)
"""

OURS = STOCK + "\nimport celeriac\nceleriac.adopt(app, celeriac.Plan())\n"

SEND = """\
import json, sys
from {module} import add, app
sent = [add.apply_async((n, 1), priority=p) for n, p in enumerate((None, 0, 3, 6, 9) * 4)]
print(json.dumps([one.get(timeout=60) for one in sent]))
"""


@pytest.fixture
def shop(redis_server: RedisServer, project: Callable[..., Project]) -> Project:
    redis_server.flush()
    environ = {"BROKER": redis_server.database(0), "RESULTS": redis_server.database(1)}
    made = project(environ=environ)
    made.write("stock.py", STOCK)
    made.write("ours.py", OURS)
    return made


def start_worker(shop: Project, module: str, *options: str) -> Any:
    running = shop.start_celery(
        "-A", module, "worker", "-P", "solo", "-n", f"{module}@pair", "-l", "info", *options
    )
    running.wait_for_log("ready", within=60)
    return running


def send(shop: Project, module: str) -> list[list[Any]]:
    ended = shop.run(sys.executable, "-c", SEND.format(module=module), within=90)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.parametrize("producer", ["stock", "ours"])
@pytest.mark.parametrize("consumer", ["stock", "ours"])
def test_every_pairing_of_producer_and_worker_runs_every_task_once(
    producer: str, consumer: str, shop: Project
) -> None:
    start_worker(shop, consumer)
    assert send(shop, producer) == [[number + 1, consumer] for number in range(20)]


def test_workers_of_both_share_a_queue_that_producers_of_both_fill(shop: Project) -> None:
    for module in ("stock", "ours"):
        start_worker(shop, module)
    for module in ("stock", "ours"):
        assert [value for value, _ in send(shop, module)] == [number + 1 for number in range(20)]


def test_a_task_of_a_stock_producer_that_is_due_later_waits_at_the_broker(
    shop: Project, redis_server: RedisServer, eventually: Callable[..., Any]
) -> None:
    start_worker(shop, "ours")
    script = "from stock import add; print(add.apply_async((1, 1), countdown=3).get(timeout=60))"
    sender = shop.start(sys.executable, "-c", script)
    with Redis.from_url(redis_server.database(0)) as client:
        eventually(lambda: client.zcard("celeriac:{celery}:delayed") == 1, within=60)
    assert sender.wait(within=60) == 0
    assert "[2, 'ours']" in sender.log


def test_stock_tools_inspect_and_control_a_worker_of_ours(shop: Project, redis_server: RedisServer) -> None:
    start_worker(shop, "ours")
    for command in ("ping", "active_queues", "stats", "registered"):
        asked = shop.run(
            sys.executable, "-m", "celery", "-A", "stock", "inspect", command, "--timeout", "5", within=60
        )
        assert asked.returncode == 0, asked.stderr + asked.stdout
        assert "ours@pair" in asked.stdout


def test_what_a_stock_worker_of_ten_steps_sees_is_everything(shop: Project) -> None:
    shop.write(
        "ten.py", STOCK + "\napp.conf.broker_transport_options = {'priority_steps': list(range(10))}\n"
    )
    start_worker(shop, "ten")
    script = "from ours import add; print([add.apply_async((1, p), priority=p).get(timeout=60) for p in range(10)])"
    sent = shop.run(sys.executable, "-c", script, within=90)
    assert sent.stdout.strip() == str([[1 + priority, "ten"] for priority in range(10)]), sent.stderr


def test_a_result_of_ours_is_read_by_stock_and_the_other_way_round(
    shop: Project, redis_server: RedisServer
) -> None:
    start_worker(shop, "ours")
    script = "from stock import add; r = add.delay(1, 2); print(r.get(timeout=60)); print(r.id)"
    said = shop.run(sys.executable, "-c", script, within=90).stdout.split("\n")
    assert said[0] == "[3, 'ours']"
    stock = Celery("reader", backend=redis_server.database(1), set_as_current=False)
    assert stock.AsyncResult(said[1]).get(timeout=5) == [3, "ours"]
