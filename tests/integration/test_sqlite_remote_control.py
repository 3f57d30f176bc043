"""Celery's own tools over the embedded broker: inspect, control, revoke, events, purge."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from servers.project import Project, Running

TASKS = """\
import time
from celery import shared_task

@shared_task(name="shop.nap")
def nap(seconds):
    time.sleep(seconds)
    return seconds
"""
PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
[queues.default]
[pools.web]
queues = ["default"]
executor = "prefork"
concurrency = 2
"""


@pytest.fixture
def shop(project: Callable[..., Project]) -> Project:
    shop = project(plan=PLAN, tasks=TASKS)
    shop.write("proj.py", "import celeriac\napp = celeriac.create_app()\n")
    return shop


def start(shop: Project, name: str, *options: str) -> Running:
    running = shop.start_celery(
        "-A", "proj", "worker", "-n", f"{name}@test", "-c", "2", "-l", "info", *options
    )
    running.wait_for_log("ready")
    return running


def celery(shop: Project, *arguments: str) -> Any:
    done = shop.run("celery", "-A", "proj", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_inspect_and_control_reach_every_worker(shop: Project, eventually: Callable[..., Any]) -> None:
    for name in ("one", "two"):
        start(shop, name)
    assert json.loads(celery(shop, "inspect", "ping", "--json")) == {
        f"{name}@test": {"ok": "pong"} for name in ("one", "two")
    }
    shop.celeriac("send", "shop.nap", "30").check_returncode()

    def active() -> list[str]:
        answers = json.loads(celery(shop, "inspect", "active", "--json"))
        return [task["name"] for tasks in answers.values() for task in tasks]

    assert eventually(active) == ["shop.nap"]
    celery(shop, "control", "-d", "one@test", "pool_grow", "1")

    def slots() -> dict[str, int]:
        stats = json.loads(celery(shop, "inspect", "stats", "--json"))
        return {name: len(stat["pool"]["processes"]) for name, stat in stats.items()}

    eventually(lambda: slots() == {"one@test": 3, "two@test": 2}, within=60)


def test_a_revoked_task_does_not_run_and_a_terminated_one_ends(
    shop: Project, eventually: Callable[..., Any]
) -> None:
    start(shop, "one", "-c", "1")
    running = shop.celeriac("send", "shop.nap", "600").stdout.strip()
    behind = shop.celeriac("send", "shop.nap", "0").stdout.strip()
    eventually(lambda: running in celery(shop, "inspect", "active", "--json"), within=60)
    celery(shop, "control", "revoke", behind)
    celery(shop, "control", "terminate", "SIGTERM", running)
    for task in (running, behind):
        eventually(lambda task=task: "revoked" in shop.celeriac("why", task).stdout, within=60)


def test_a_worker_is_shut_down_by_remote_control(shop: Project) -> None:
    one, two = start(shop, "one"), start(shop, "two")
    shop.run(
        "celery", "-A", "proj", "control", "-d", "one@test", "shutdown"
    )  # Celery answers nothing to this
    assert one.wait(within=60) == 0
    assert two.is_running()


def test_events_are_heard_while_somebody_listens(shop: Project, eventually: Callable[..., Any]) -> None:
    start(shop, "one", "-E")
    listener = shop.start_celery("-A", "proj", "events", "--dump")
    listener.wait_for_log("heartbeat: active=0")
    task = shop.celeriac("send", "shop.nap", "0").stdout.strip()
    eventually(lambda: "task succeeded" in listener.log and task in listener.log, within=60)


def test_purge_empties_the_queues(shop: Project) -> None:
    for _ in range(3):
        shop.celeriac("send", "shop.nap", "0").check_returncode()
    assert "3 messages" in celery(shop, "purge", "-f")
    assert json.loads(celery(shop, "inspect", "ping", "--json") if start(shop, "one") else "") != {}
