"""A worker's slots follow what waits, on every broker, and nothing is lost by a slot that goes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from celeriac_probe import pulse
from servers.project import Project, Running

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
broker = "{broker}"
results = "sqlite:///results.db"

[queues.default]
max_wait = "2s"

[pools.web]
queues = ["default"]
autoscale = {{ min = 1, max = 4 }}
prefetch = 1
"""

TASKS = """\
import os, time
from celery import shared_task

@shared_task(name="shop.note")
def note(number, runs):
    # Written once it is over: a run that was cut short leaves nothing.
    time.sleep(runs)
    with open("noted", "a") as noted:
        noted.write(f"{number}\\n")
"""

APP = """\
from celeriac import create_app
app = create_app("celeriac.toml")
app.set_current()
"""

SEND = """\
import sys
import shop_app
from shop_tasks import note
for number in range(int(sys.argv[1]), int(sys.argv[2])):
    note.delay(number, float(sys.argv[3]))
"""

Eventually = Callable[..., object]


@pytest.fixture(params=["sqlite", "redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return "sqlite:///broker.db"
    return str(request.getfixturevalue(f"{request.param}_server").url)


class Shop:
    def __init__(self, project: Project, *, environ: dict[str, str] | None = None) -> None:
        self.project = project
        project.environ.update(environ or {})
        project.write("shop_app.py", APP)
        project.write("send.py", SEND)
        self.worker: Running = project.start_celeriac("worker", "web")
        self.worker.wait_for_log("ready", within=60)

    def send(self, first: int, last: int, runs: float) -> None:
        sent = self.project.run("python", "send.py", str(first), str(last), str(runs), within=60)
        assert sent.returncode == 0, sent.stderr

    def slots(self) -> int:
        found = pulse.read_all(str(self.project.folder / ".celeriac" / "workers"))
        return next(each.slots for each in found if each.alive)

    def noted(self) -> list[int]:
        path: Path = self.project.folder / "noted"
        return sorted(map(int, path.read_text().split())) if path.exists() else []

    def held(self) -> int:
        """Messages that are with the worker."""
        told = json.loads(self.project.celeriac("status", "--json").stdout)
        return next(int(it["unacked"]) for it in told["queues"] if it["name"] == "default")

    def bound(self, most: int, least: int) -> None:
        asked = self.project.run("celery", "-A", "shop_app", "control", "autoscale", str(most), str(least))
        assert "autoscale now" in asked.stdout, asked.stdout + asked.stderr


def test_slots_grow_while_messages_wait_and_not_before(
    project: Callable[..., Project], broker: str, eventually: Eventually
) -> None:
    shop = Shop(project(plan=PLAN.format(broker=broker), tasks=TASKS))
    assert shop.slots() == 1
    shop.send(0, 40, 0.4)
    eventually(lambda: shop.slots() == 4, within=60)
    eventually(lambda: shop.noted() == list(range(40)), within=60)
    because = re.findall(r"has (\d) slots now, and had (\d): (.*)", shop.worker.log)
    assert [(before, after) for after, before, _ in because] == [("1", "2"), ("2", "4")], shop.worker.log
    assert "wait" in because[0][2]


def test_the_bounds_of_the_environment_win(project: Callable[..., Project], eventually: Eventually) -> None:
    shop = Shop(
        project(plan=PLAN.format(broker="sqlite:///broker.db"), tasks=TASKS),
        environ={"CELERY_AUTOSCALE_MIN": "2", "CELERY_AUTOSCALE_MAX": "3"},
    )
    assert shop.slots() == 2
    shop.send(0, 30, 0.4)
    eventually(lambda: shop.slots() == 3, within=60)
    eventually(lambda: len(shop.noted()) == 30, within=60)
    assert shop.slots() == 3


def test_a_worker_holds_no_more_than_its_slots_can_run(
    project: Callable[..., Project], eventually: Eventually
) -> None:
    shop = Shop(project(plan=PLAN.format(broker="sqlite:///broker.db"), tasks=TASKS))
    shop.bound(1, 1)
    shop.send(0, 40, 0.5)
    eventually(shop.noted, within=60)
    assert shop.held() <= 1  # not the four of a worker that could have four slots
    eventually(lambda: len(shop.noted()) == 40, within=60)


def test_slots_that_go_while_tasks_flow_lose_and_repeat_none(
    project: Callable[..., Project], broker: str, eventually: Eventually
) -> None:
    shop = Shop(project(plan=PLAN.format(broker=broker), tasks=TASKS))
    sent = 0
    for _ in range(3):
        shop.bound(4, 4)
        eventually(lambda: shop.slots() == 4, within=60)
        shop.send(sent, sent + 60, 0.02)
        sent += 60
        shop.bound(1, 1)
        shop.send(sent, sent + 40, 0.02)
        sent += 40
        eventually(lambda: shop.slots() == 1, within=60)
    eventually(lambda: shop.noted() == list(range(sent)), within=60)
    assert "WorkerLost" not in shop.worker.log
