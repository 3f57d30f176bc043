"""Celeriac on Celery's own transports: a real Redis or RabbitMQ, a real worker, and the same letters as anywhere."""

import json
import signal

import pytest

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
broker = "{broker}"
results = "{results}"

[queues.default]

[pools.web]
queues = ["default"]
executor = "prefork"
concurrency = 1

[tasks."shop.fragile"]
retry = {{ limit = 1, backoff = "50ms" }}
"""

TASKS = """\
from pathlib import Path
from celery import shared_task

@shared_task(name="shop.add")
def add(x, y):
    return x + y

@shared_task(name="shop.fragile")
def fragile(switch):
    if not Path(switch).exists():
        raise ValueError("not yet")
    return "done"
"""


@pytest.fixture(params=["redis", "rabbitmq"])
def shop(request, project):
    if request.param == "redis":
        server = request.getfixturevalue("redis_server")
        server.flush()
        broker, results = server.database(0), server.database(1)
    else:
        broker, results = request.getfixturevalue("rabbitmq_server").url, "sqlite:///.celeriac/results.db"
    return project(plan=PLAN.format(broker=broker, results=results), tasks=TASKS)


def test_a_plan_runs_a_task_and_gives_its_result(shop):
    shop.start_celeriac("worker", "web")
    added = shop.celeriac("send", "shop.add", "2", "3", "--wait", "20")
    assert (added.returncode, added.stdout) == (0, "5\n"), added.stderr


def test_a_task_that_fails_becomes_a_letter_that_is_replayed_once(shop, eventually):
    switch = shop.folder / "switch"
    shop.start_celeriac("worker", "web")
    task_id = shop.celeriac("send", "shop.fragile", str(switch)).stdout.strip()

    def letters() -> list[dict[str, object]]:
        listed = shop.celeriac("dead", "list", "--json")
        assert listed.returncode == 0, listed.stderr
        return json.loads(listed.stdout)

    (letter,) = eventually(letters, within=60, every=0.2)
    assert (letter["task"], letter["task_id"], letter["attempts"]) == ("shop.fragile", task_id, 2)

    switch.touch()
    replayed = shop.celeriac("dead", "replay", str(letter["id"]), "--yes")
    assert replayed.returncode == 0, replayed.stderr
    eventually(lambda: "succeeded" in shop.celeriac("why", task_id).stdout, within=60, every=0.2)

    again = shop.celeriac("dead", "replay", str(letter["id"]), "--yes")
    assert again.returncode == 1
    assert "LETTER-" in again.stderr


def test_up_runs_a_plan_and_drains_it(shop, eventually):
    up = shop.start_celeriac("up")
    added = shop.celeriac("send", "shop.add", "1", "1", "--wait", "30")
    assert added.stdout == "2\n", added.stderr + up.log
    up.signal(signal.SIGINT)
    assert up.wait(within=60) == 0, up.log
