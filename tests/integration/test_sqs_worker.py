"""A plan on SQS, run by real workers: results, letters, history, kills and stops."""

from __future__ import annotations

import json
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from servers.project import Project, Running
from servers.sqs_server import REGION, SqsServer
from servers.waiting import eventually

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
broker = "${SHOP_BROKER}"
results = "sqlite:///.celeriac/results.db"
[queues.default]
[queues."mail.out"]
[pools.web]
queues = ["default", "mail.out"]
concurrency = 2
grace = "20s"
[records]
[tasks."shop.*"]
retry = { limit = 2, backoff = "1s", cap = "2s", on = ["OSError"] }
[celery.broker_transport_options]
queue_name_prefix = "${SHOP_PREFIX}"
wait_time_seconds = 1
lease = 4
"""

TASKS = """\
import os, time
from pathlib import Path
from celery import shared_task

@shared_task(name="shop.add")
def add(x, y):
    return x + y

@shared_task(name="shop.total")
def total(numbers):
    return sum(numbers)

@shared_task(name="shop.fail")
def fail(message="no"):
    raise ValueError(message)

@shared_task(name="shop.flaky")
def flaky(name):
    with Path(name).open("a") as runs:
        print(time.time(), file=runs)
    if len(Path(name).read_text().split()) < 3:
        raise OSError("not yet")
    return "done"

@shared_task(name="shop.hold")
def hold(name, seconds):
    with Path(name).open("a") as runs:
        print(os.getpid(), file=runs)
    until = time.monotonic() + seconds
    while time.monotonic() < until and not Path(name + ".go").exists():
        time.sleep(0.02)
    return name

@shared_task(name="shop.note")
def note(number):
    time.sleep(0.05)
    with Path("noted").open("a") as runs:
        print(number, file=runs)
"""

DRIVER = """\
import json
from celeriac import create_app
app = create_app(); app.set_default()
import shop_tasks as t
from celery import chain, chord, group
{body}
print(json.dumps(out))
"""


class Shop(Project):
    """A project on SQS, and ways to ask it."""

    def ask(self, body: str) -> Any:
        """Run statements that set `out`, in a process that sends tasks."""
        name = f"ask-{uuid.uuid4().hex}.py"
        self.write(name, DRIVER.format(body=body))
        done = self.run("python", name, within=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def json(self, *command: str) -> Any:
        done = self.celeriac(*command, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().split() if path.exists() else []


@pytest.fixture
def shop(tmp_path: Path, sqs_server: SqsServer) -> Iterator[Shop]:
    environ = {
        "SHOP_BROKER": sqs_server.url,
        "SHOP_PREFIX": uuid.uuid4().hex[:8] + "-",
        "AWS_DEFAULT_REGION": REGION,
    }
    made = Shop(tmp_path / "shop", plan=PLAN, tasks=TASKS, environ=environ)
    yield made
    made.close()


@pytest.fixture
def up(shop: Shop) -> Running:
    running = shop.start_celeriac("up")
    running.wait_for_log("ready: 2 running")
    return running


def worker_of(shop: Shop) -> Any:
    found = shop.json("status")["consumers"]
    return found[0] if found else None


def test_canvas_results_and_retries_work_as_anywhere(shop: Shop, up: Running) -> None:
    body = """
out = [
    t.add.delay(1, 2).get(timeout=60),
    chain(t.add.s(1, 1), t.add.s(3)).delay().get(timeout=60),
    chord([t.add.s(n, n) for n in range(12)], t.total.s()).delay().get(timeout=60),
    group(t.add.s(n, 1) for n in range(5)).apply_async(queue="mail.out").get(timeout=60),
    t.flaky.delay("flaky").get(timeout=60),
]
"""
    assert shop.ask(body) == [3, 5, 132, [1, 2, 3, 4, 5], "done"]
    assert len(shop.lines("flaky")) == 3


def test_what_fails_is_a_letter_that_can_be_replayed_and_all_is_on_record(shop: Shop, up: Running) -> None:
    sent = shop.celeriac("send", "shop.fail", '"broken"')
    task_id = sent.stdout.strip()
    [letter] = eventually(lambda: shop.json("dead", "list"))
    assert (letter["task_id"], letter["reason"], letter["message"]) == (task_id, "failed", "broken")
    why = eventually(
        lambda: (said := shop.celeriac("why", task_id).stdout) and "is dead because" in said and said
    )
    assert "on web-1@" in why
    replayed = shop.celeriac("dead", "replay", letter["id"])
    assert replayed.returncode == 0, replayed.stderr
    eventually(lambda: {it["id"] for it in shop.json("dead", "list")} - {letter["id"]})
    eventually(lambda: "shop.fail" in shop.celeriac("runs").stdout)


def test_the_task_of_a_killed_worker_runs_again_when_its_lease_ends(shop: Shop, up: Running) -> None:
    shop.celeriac("send", "shop.hold", '"held"', "60")
    eventually(lambda: shop.lines("held"))
    for process in [it for it in up.family() if it.pid == worker_of(shop)["pid"]]:
        for child in process.children(recursive=True):
            child.kill()
        process.kill()
    (shop.folder / "held.go").touch()
    eventually(lambda: len(shop.lines("held")) == 2)


def test_a_task_longer_than_the_lease_runs_once(shop: Shop, up: Running) -> None:
    assert shop.ask('out = t.hold.delay("long", 10).get(timeout=60)') == "long"
    assert len(shop.lines("long")) == 1


def test_a_warm_stop_finishes_what_runs_and_loses_nothing(shop: Shop, up: Running) -> None:
    shop.ask("out = [t.note.delay(n).id for n in range(60)] and 0")
    eventually(lambda: len(shop.lines("noted")) >= 5)
    up.signal(signal.SIGTERM)
    assert up.wait() == 0, up.log
    again = shop.start_celeriac("up")
    again.wait_for_log("ready: 2 running")
    eventually(lambda: len(shop.lines("noted")) >= 60)
    assert sorted(map(int, shop.lines("noted"))) == list(range(60))


def test_what_can_be_looked_at_is_shown_and_what_cannot_says_so(shop: Shop, up: Running) -> None:
    shop.celeriac("send", "shop.hold", '"shown"', "60")
    eventually(lambda: shop.lines("shown"))
    eventually(lambda: worker_of(shop)["running"] == 1)
    assert worker_of(shop)["queues"] == ["default", "mail.out"]
    [queue] = [it for it in shop.json("queues")["queues"] if it["name"] == "default"]
    assert (queue["ready"], queue["unacked"], queue["consumers"]) == (0, 1, None)
    health = "import asyncio; from celeriac.integrations.asgi import Checks\nout = asyncio.run(Checks(app).celery())"
    assert shop.ask(health) == [200, {"workers": 1, "active_tasks": 1, "healthy": True}]
    (shop.folder / "shown.go").touch()
    asked = shop.run(
        "python", "-c", "import celeriac; celeriac.create_app().control.ping(timeout=5)", within=60
    )
    assert "BROKER-067" in asked.stderr
    assert "celeriac drain" in asked.stderr
    doctored = shop.celeriac("doctor")
    assert "no troubles" in doctored.stdout, doctored.stdout
