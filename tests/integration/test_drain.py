"""`celeriac drain` with real workers: what runs is finished, the rest goes back, and the process ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from servers.project import Project

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
[queues.default]
[pools.web]
queues = ["default"]
concurrency = 1
prefetch = 4
"""

TASKS = """\
import time
from pathlib import Path
from celery import shared_task

@shared_task(name="shop.hold")
def hold():
    Path("held").touch()
    while not Path("go on").exists():
        time.sleep(0.02)
    Path("ended").touch()
"""


@pytest.fixture
def shop(project: Callable[..., Project]) -> Project:
    return project(plan=PLAN, tasks=TASKS)


def test_a_drained_worker_finishes_what_it_runs_and_ends(
    shop: Project, eventually: Callable[..., object]
) -> None:
    worker = shop.start_celeriac("worker", "web")
    worker.wait_for_log("ready.", within=60)
    for _ in range(3):
        shop.celeriac("send", "shop.hold")
    eventually((shop.folder / "held").exists, within=60)
    drain = shop.start_celeriac("drain")
    drain.wait_for_log("asked to finish", within=60)
    assert drain.process.poll() is None
    (shop.folder / "go on").touch()
    assert drain.process.wait(60) == 0
    assert worker.process.wait(60) == 0
    assert (shop.folder / "ended").exists()


def test_what_does_not_end_in_time_is_named(shop: Project, eventually: Callable[..., object]) -> None:
    shop.start_celeriac("worker", "web").wait_for_log("ready.", within=60)
    shop.celeriac("send", "shop.hold")
    eventually((shop.folder / "held").exists, within=60)
    drained = shop.celeriac("drain", "--within", "300ms")
    assert drained.returncode == 1
    assert "web-1@" in drained.stderr
    assert "still runs" in drained.stderr
    (shop.folder / "go on").touch()


def test_where_nothing_runs_there_is_nothing_to_wait_for(shop: Project) -> None:
    assert shop.celeriac("drain").stdout == "drained\n"


@pytest.mark.parametrize(
    ("arguments", "code"), [(("--worker", "web-7"), "UP-050"), (("--within", "soon"), "UP-051")]
)
def test_what_cannot_be_meant_is_said(shop: Project, arguments: tuple[str, ...], code: str) -> None:
    refused = shop.celeriac("drain", *arguments)
    assert (refused.returncode, refused.stderr.split()[0]) == (2, code)


def test_workers_of_up_are_left_to_up(shop: Project) -> None:
    up = shop.start_celeriac("up")
    up.wait_for_log("ready", within=60)
    refused = shop.celeriac("drain")
    assert (refused.returncode, refused.stderr.split()[0]) == (3, "UP-052")
