"""What becomes of tasks that fail for good, in each pool, on the embedded broker with real workers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery, chord
from celery.exceptions import WorkerLostError

import celeriac
from celeriac.deadletters import Letter, read_letter
from servers.project import Project
from servers.waiting import eventually

POOLS = ("prefork", "threads", "solo")

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]

[queues.default]

[letters]
after = 2

[tasks."shop.flaky"]
retry = { limit = 2, backoff = "10ms", on = ["builtins.OSError"] }

[tasks."shop.sleep"]
time_limit = "1s"
"""

TASKS = """\
import os, signal, sys, time
from pathlib import Path
from celery import shared_task
from celery.exceptions import Ignore, Reject

def count(name):
    with open(f"{name}.runs", "a") as runs:
        runs.write(".")

@shared_task(name="shop.add")
def add(x, y):
    return x + y

@shared_task(name="shop.fail")
def fail(message):
    raise ValueError(message)

@shared_task(name="shop.early", acks_late=False)
def early():
    raise ValueError("acked already")

@shared_task(name="shop.flaky")
def flaky(key, kind="OSError"):
    count(key)
    raise {"OSError": OSError, "KeyError": KeyError}[kind](key)

@shared_task(name="shop.die")
def die(key, how):
    count(key)
    if how == "memory":
        raise MemoryError("too big")
    if how == "exit":
        sys.exit(3)
    if how == "requeue":
        raise Reject("not now", requeue=True)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "_exit":
        os._exit(1)
    if how == "segfault":
        import ctypes
        ctypes.string_at(0)

@shared_task(name="shop.reject")
def reject():
    raise Reject("will not", requeue=False)

@shared_task(name="shop.ignore")
def ignore():
    raise Ignore()

@shared_task(name="shop.sleep")
def sleep(seconds):
    time.sleep(seconds)

@shared_task(name="shop.note")
def note(*args):
    Path("noted").open("a").write("x")

@shared_task(name="shop.total")
def total(numbers):
    return sum(numbers)
"""


class Shop:
    """A project with one running worker, and an app of the test's own to talk to it."""

    def __init__(self, project: Any, executor: str) -> None:
        self.project = project
        self.app = celeriac.adopt(Celery("shop", set_as_current=False), project.folder / "celeriac.toml")
        self.letters: list[Letter] = []
        project.write("proj.py", "import celeriac\napp = celeriac.create_app()\n")
        self.start_worker(executor)
        self.worker.wait_for_log("ready.")

    def start_worker(self, executor: str) -> None:
        options = ("-P", executor, "-c", "2", "-l", "INFO")
        self.worker = self.project.start_celery("-A", "proj", "worker", *options)

    def send(self, name: str, *args: Any, **options: Any) -> Any:
        return self.app.send_task(name, args, **options)

    def runs(self, key: str) -> int:
        return len((self.project.folder / f"{key}.runs").read_text())

    def letter_of(self, result: Any) -> Letter:
        """Wait until there is a letter of this task."""

        def found() -> Letter | None:
            self._drain()
            return next((letter for letter in self.letters if letter.task_id == result.id), None)

        # Celery notices the death of a pool process at once or, when the race is lost, up to 5 s later.
        return eventually(found, within=60)

    def letters_of(self, result: Any) -> list[Letter]:
        self._drain()
        return [letter for letter in self.letters if letter.task_id == result.id]

    def works(self) -> bool:
        return self.send("shop.add", 2, 3).get(timeout=5) == 5

    def _drain(self) -> None:
        with self.app.connection_for_read() as connection:
            channel = connection.default_channel
            while (message := channel.basic_get("celeriac.dead")) is not None:
                self.letters.append(read_letter(message))
                message.ack()


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Shop]]:
    made: dict[str, Shop] = {}
    for executor in POOLS:
        project = Project(tmp_path_factory.mktemp(executor), plan=PLAN, tasks=TASKS, environ={})
        made[executor] = Shop(project, executor)
    yield made
    for shop in made.values():
        shop.project.close()


every_pool = pytest.mark.parametrize("pool", POOLS)


@every_pool
def test_a_task_that_raises_is_a_failure_and_one_letter(shops, pool):
    shop = shops[pool]
    sent = shop.send("shop.fail", "out of stock")
    with pytest.raises(ValueError, match="out of stock"):
        sent.get(timeout=5)
    letter = shop.letter_of(sent)
    assert (letter.reason, letter.queue, letter.task) == ("failed", "default", "shop.fail")
    assert (letter.exception, letter.message) == ("builtins.ValueError", "out of stock")
    assert "raise ValueError(message)" in letter.traceback
    assert shop.works()
    assert len(shop.letters_of(sent)) == 1


@every_pool
def test_a_task_that_was_acked_before_it_ran_is_a_letter_all_the_same(shops, pool):
    shop = shops[pool]
    assert shop.letter_of(shop.send("shop.early")).reason == "failed"


@every_pool
def test_a_named_exception_is_retried_to_its_limit_with_the_same_id(shops, pool):
    shop = shops[pool]
    sent = shop.send("shop.flaky", "retried")
    with pytest.raises(OSError, match="retried"):
        sent.get(timeout=5)
    letter = shop.letter_of(sent)
    assert (shop.runs("retried"), letter.attempts, letter.reason) == (3, 3, "failed")


@every_pool
def test_an_exception_the_policy_does_not_name_is_not_retried(shops, pool):
    shop = shops[pool]
    sent = shop.send("shop.flaky", "unnamed", "KeyError")
    assert shop.letter_of(sent).attempts == 1
    assert shop.runs("unnamed") == 1


@every_pool
@pytest.mark.parametrize("how", ["memory", "exit", "requeue"])
def test_a_task_without_an_outcome_runs_as_often_as_the_plan_allows_and_is_poison(shops, pool, how):
    shop = shops[pool]
    sent = shop.send("shop.die", how, how)
    letter = shop.letter_of(sent)
    assert (letter.reason, letter.deliveries, shop.runs(how)) == ("poison", 2, 2)
    assert eventually(lambda: sent.state) == "FAILURE"
    assert shop.works()


@pytest.mark.parametrize("how", ["kill", "_exit", "segfault"])
def test_a_task_that_kills_its_process_runs_as_often_as_the_plan_allows_and_is_poison(shops, how):
    shop = shops["prefork"]
    sent = shop.send("shop.die", how, how, link_error=shop.app.signature("shop.note"))
    letter = shop.letter_of(sent)
    assert (letter.reason, letter.deliveries, shop.runs(how)) == ("poison", 2, 2)
    assert letter.exception.endswith("WorkerLostError")
    assert eventually(lambda: sent.state == "FAILURE")
    assert shop.works()


@every_pool
def test_a_rejected_task_is_a_letter_and_an_ignored_one_is_none(shops, pool):
    shop = shops[pool]
    ignored, rejected = shop.send("shop.ignore"), shop.send("shop.reject")
    assert shop.letter_of(rejected).reason == "rejected"
    assert shop.works()
    assert shop.letters_of(ignored) == []


def test_a_task_past_its_hard_limit_is_one_letter_and_its_errback_runs_once(shops):
    shop = shops["prefork"]
    noted = shop.project.folder / "noted"
    noted.write_text("")
    sent = shop.send("shop.sleep", 60, link_error=shop.app.signature("shop.note"))
    letter = shop.letter_of(sent)
    assert (letter.reason, letter.attempts) == ("timeout", 1)
    assert eventually(lambda: sent.state == "FAILURE")
    assert eventually(noted.read_text)
    assert shop.works()
    assert (noted.read_text(), len(shop.letters_of(sent))) == ("x", 1)


@every_pool
def test_a_chord_with_a_dead_part_ends_in_failure(shops, pool):
    shop = shops[pool]
    parts = [shop.app.signature("shop.add", (1, 1)), shop.app.signature("shop.fail", ("part",))]
    ended = chord(parts, app=shop.app)(shop.app.signature("shop.total"))
    with pytest.raises(Exception, match="part"):
        ended.get(timeout=8)


def test_a_chord_with_a_part_that_kills_its_process_ends_in_failure(shops):
    shop = shops["prefork"]
    parts = [shop.app.signature("shop.add", (1, 1)), shop.app.signature("shop.die", ("chord", "kill"))]
    ended = chord(parts, app=shop.app)(shop.app.signature("shop.total"))
    with pytest.raises(Exception, match="Worker exited prematurely"):
        ended.get(timeout=30)
    assert shop.runs("chord") == 2


@every_pool
def test_revoked_tasks_leave_no_letter(shops, pool):
    shop = shops[pool]
    revoked = shop.send("shop.fail", "revoked", countdown=0.5)
    shop.app.control.revoke(revoked.id)
    assert eventually(lambda: revoked.state == "REVOKED")
    assert shop.letters_of(revoked) == []


def test_a_task_that_takes_whole_workers_with_it_ends_as_a_failure_and_a_letter(tmp_path):
    project = Project(tmp_path / "solo", plan=PLAN, tasks=TASKS, environ={})
    try:
        shop = Shop(project, "solo")
        sent = shop.send("shop.die", "worker", "kill")
        for _ in range(2):
            shop.worker.wait(within=60)
            shop.start_worker("solo")
        letter = shop.letter_of(sent)
        assert (letter.reason, letter.deliveries, shop.runs("worker")) == ("poison", 2, 2)
        with pytest.raises(WorkerLostError):
            sent.get(timeout=5)
        assert shop.works()
    finally:
        project.close()
