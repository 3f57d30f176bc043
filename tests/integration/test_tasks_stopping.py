"""What becomes of running tasks when their worker stops, and of letters that cannot be written."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker

import celeriac
from celeriac.deadletters import LetterPost, read_letter
from celeriac.tasks import Runtime
from celeriac.transports.view import open_view
from servers.project import Project
from servers.redis_server import RedisServer
from servers.waiting import eventually

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
{broker}

[queues.default]

[letters]
after = 2
"""

TASKS = """\
import os, signal, time
from pathlib import Path
from celery import shared_task

def count(name):
    with open(f"{name}.runs", "a") as runs:
        runs.write(".")

@shared_task(name="shop.add")
def add(x, y):
    return x + y

@shared_task(name="shop.wait")
def wait(key, seconds):
    count(key)
    time.sleep(seconds)
    return key

@shared_task(name="shop.die")
def die(key):
    count(key)
    os.kill(os.getpid(), signal.SIGKILL)
"""

PROJ = "import celeriac\napp = celeriac.create_app({conf})\n"


class Shop:
    def __init__(self, folder: Any, *, broker: str = "", conf: str = "") -> None:
        self.project = Project(folder, plan=PLAN.format(broker=broker), tasks=TASKS, environ={})
        self.project.write("proj.py", PROJ.format(conf=conf))
        self.app = celeriac.adopt(Celery("shop", set_as_current=False), folder / "celeriac.toml")

    def start(self) -> Any:
        worker = self.project.start_celery("-A", "proj", "worker", "-c", "2", "-l", "INFO")
        worker.wait_for_log("ready.")
        return worker

    def is_running(self, sent: Any) -> bool:
        """Whether a worker has told the broker that it runs the task, not only begun to."""
        view = open_view(self.app.conf.broker_url, self.project.folder)
        try:
            found = view.find(sent.id)
        finally:
            view.close()
        return found is not None and found.state == "running"

    def runs(self, key: str) -> int:
        path = self.project.folder / f"{key}.runs"
        return len(path.read_text()) if path.exists() else 0

    def take_letters(self) -> list[Any]:
        return take_letters(self.app)


def take_letters(app: Celery) -> list[Any]:
    taken = []
    with app.connection_for_read() as connection:
        queue = connection.SimpleQueue("celeriac.dead", no_ack=True)
        try:
            while True:
                taken.append(read_letter(queue.get(block=False)))
        except queue.Empty:
            return taken
        finally:
            queue.close()


@pytest.fixture
def shop(tmp_path: Any) -> Iterator[Any]:
    made: list[Shop] = []

    def make(**options: str) -> Shop:
        made.append(Shop(tmp_path / f"shop-{len(made)}", **options))
        return made[-1]

    yield make
    for each in made:
        each.project.close()


def test_a_task_dropped_by_cold_shutdowns_is_not_counted_as_a_death(shop):
    shop = shop(conf="worker_soft_shutdown_timeout=0.0")
    sent = shop.app.send_task("shop.wait", ("slow", 60))
    for run in (1, 2, 3):
        worker = shop.start()
        # Celery forgets to cancel what a pool process runs but has not yet reported, and waits for its end.
        eventually(lambda run=run: shop.runs("slow") == run and shop.is_running(sent))
        worker.signal(signal.SIGQUIT)
        worker.wait(within=60)
    assert shop.take_letters() == []
    assert sent.state != "FAILURE"


def test_a_warm_shutdown_finishes_what_runs_and_a_cold_one_after_it_does_not_wait_again(shop):
    shop = shop()
    worker = shop.start()
    finished = shop.app.send_task("shop.wait", ("short", 1))
    eventually(lambda: shop.is_running(finished))
    assert worker.stop() == 0
    assert finished.get(timeout=5) == "short"

    worker = shop.start()
    dropped = shop.app.send_task("shop.wait", ("long", 60))
    eventually(lambda: shop.runs("long") == 1 and shop.is_running(dropped))
    worker.signal(signal.SIGTERM)
    worker.wait_for_log("Warm shutdown")
    worker.signal(signal.SIGQUIT)
    worker.wait(within=60)
    assert shop.take_letters() == []


def test_a_poison_task_ends_also_on_a_broker_that_does_not_count(shop, redis_server: RedisServer):
    shop = shop(broker=f'broker = "{redis_server.url}"')
    worker = shop.start()
    sent = shop.app.send_task("shop.die", ("poison",))
    [letter] = eventually(shop.take_letters, within=60)
    assert (letter.reason, letter.deliveries, shop.runs("poison")) == ("poison", 2, 2)
    assert eventually(lambda: sent.state == "FAILURE")
    assert shop.app.send_task("shop.add", (1, 2)).get(timeout=5) == 3
    assert worker.is_running()


def test_a_pool_whose_processes_are_spawned_runs_tasks_under_their_policies(shop):
    shop = shop(conf='worker_pool_start_method="spawn"')
    shop.start()
    assert shop.app.send_task("shop.add", (1, 2)).get(timeout=20) == 3


class Unreliable:
    """A sink that fails the first times, then writes letters as ever."""

    def __init__(self, post: LetterPost, failures: int) -> None:
        self.post = post
        self.failures = failures

    def capture(self, message: Any, **death: Any) -> str:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the broker is gone")
        return self.post.capture(message, **death)


@pytest.mark.parametrize("kind", ["failed", "malformed", "unknown-task"])
def test_a_message_whose_letter_cannot_be_written_goes_back_until_it_can(tmp_path, kind, caplog):
    plan = celeriac.Plan(name="shop", folder=tmp_path, queues={"default": celeriac.Queue()})
    app = celeriac.adopt(Celery("shop", set_as_current=False), plan)
    sink = Unreliable(LetterPost(app, "celeriac.dead"), failures=1)
    app.celeriac = Runtime(plan, sink)
    runs: list[int] = []

    @app.task(name="shop.fail", shared=False)
    def fail() -> None:
        runs.append(1)
        raise ValueError("no")

    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=20):
        if kind == "malformed":
            with app.connection_for_write() as connection:
                connection.Producer().publish(
                    "x", routing_key="default", headers={"task": "shop.fail", "id": "x"}
                )
        else:
            app.send_task("shop.fail" if kind == "failed" else "shop.unknown")
        [letter] = eventually(lambda: take_letters(app))
    assert letter.reason == kind
    assert sink.failures == 0
    assert len(runs) == (2 if kind == "failed" else 0)
    assert "could not write the letter" in caplog.text
