"""How much a real worker fetches: many of what is quick, few of what is slow, and nothing is hoarded."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, group
from redis import Redis

from celeriac.app import create_app
from celeriac.plan import read_plan
from celeriac.transports.view import open_view
from servers.project import Project

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
broker = "{broker}"

[queues.default]

[pools.web]
queues = ["default"]
executor = "solo"
prefetch = {prefetch}
"""

TASKS = """\
import os, time
from pathlib import Path
from celery import shared_task

@shared_task(name="shop.quick", ignore_result=True)
def quick(key):
    with open("quick", "ab", buffering=0) as log:
        log.write(f"{key} {os.getpid()}\\n".encode())

@shared_task(name="shop.slow", ignore_result=True)
def slow(seconds=0.0):
    Path("slow").touch()
    time.sleep(seconds)
    while not seconds and not Path("go on").exists():
        time.sleep(0.02)
    with open("slept", "ab", buffering=0) as log:
        log.write(b"x")
"""


@pytest.fixture(params=["sqlite", "redis"])
def broker(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return "sqlite:///.celeriac/broker.db"
    server = request.getfixturevalue("redis_server")
    server.flush()
    return str(server.database(5))


def made(project: Callable[..., Project], broker: str, prefetch: int) -> tuple[Project, Celery]:
    shop = project(plan=PLAN.format(broker=broker, prefetch=prefetch), tasks=TASKS)
    app = create_app(read_plan(shop.folder / "celeriac.toml"))
    app.conf.include = []
    return shop, app


def ran(shop: Project) -> list[str]:
    path = shop.folder / "quick"
    return path.read_text().split()[::2] if path.exists() else []


def test_what_waits_behind_a_slow_task_is_run_by_another_worker(
    broker: str, project: Callable[..., Project], eventually: Callable[..., Any]
) -> None:
    shop, app = made(project, broker, prefetch=64)
    quick = [app.signature("shop.quick", (key,)) for key in range(400)]
    # So many quick ones that whole batches are fetched when the slow one comes.
    group([*quick[:300], app.signature("shop.slow"), *quick[300:]], app=app).apply_async(add_to_parent=False)
    hung = shop.start_celeriac("worker", "web", "--replica", "1")
    eventually((shop.folder / "slow").exists, within=60)
    shop.start_celeriac("worker", "web", "--replica", "2")
    eventually(lambda: sorted(map(int, ran(shop))) == list(range(400)), within=60)
    assert not (shop.folder / "slept").exists(), "the slow one still runs"
    assert hung.is_running()
    (shop.folder / "go on").touch()
    eventually((shop.folder / "slept").exists, within=60)
    app.close()


def test_of_slow_tasks_no_more_is_fetched_than_the_plan_says(
    broker: str, project: Callable[..., Project], eventually: Callable[..., Any]
) -> None:
    shop, app = made(project, broker, prefetch=2)
    group([app.signature("shop.slow", (0.25,)) for _ in range(12)], app=app).apply_async(add_to_parent=False)
    shop.start_celeriac("worker", "web")
    view = open_view(app.conf.broker_url, shop.folder, queues=("default",))
    held = []
    deadline = time.monotonic() + 60
    slept = shop.folder / "slept"
    while time.monotonic() < deadline and not (slept.exists() and len(slept.read_bytes()) == 12):
        held.append(next((queue.unacked for queue in view.queues() if queue.name == "default"), 0))
        time.sleep(0.05)  # looked at now and then, while they run
    view.close()
    assert len(slept.read_bytes()) == 12
    # One more for a moment: an ack is written with the next fetch.
    assert 1 <= max(held) <= 3
    app.close()


def test_quick_tasks_are_fetched_by_the_hundred(
    redis_server: Any, project: Callable[..., Project], eventually: Callable[..., Any], tmp_path: Path
) -> None:
    redis_server.flush()
    shop, app = made(project, redis_server.database(5), prefetch=4)
    for start in range(0, 3000, 1000):
        some = [app.signature("shop.quick", (key,)) for key in range(start, start + 1000)]
        group(some, app=app).apply_async(add_to_parent=False)
    with Redis.from_url(redis_server.database(5)) as client:
        client.config_resetstat()
        shop.start_celeriac("worker", "web")
        eventually(lambda: len(ran(shop)) == 3000, within=60)
        scripts = client.info("commandstats")["cmdstat_evalsha"]["calls"]
    # Among them those of the lease, a few a second.
    assert scripts < 600, "a script for each task would be three thousand"
    app.close()
