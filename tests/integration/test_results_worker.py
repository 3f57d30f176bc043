"""Results, groups and chords through real workers, the embedded broker and the embedded result backend."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, chain, chord, group
from celery.canvas import Signature

from celeriac.app import create_app
from celeriac.deadletters import Recorder, Replayer
from celeriac.plan import read_plan
from celeriac.records import LetterFilter, Records

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

TASKS = """\
import os
import signal
import time
from pathlib import Path

from celery import shared_task

RUNS = Path("runs")


@shared_task(name="shop.add")
def add(x, y):
    return x + y


@shared_task(name="shop.total")
def total(parts):
    with RUNS.open("a") as log:
        log.write("total\\n")
    return parts


@shared_task(name="shop.fail_until_mended")
def fail_until_mended(value):
    if not Path("mended").exists():
        raise ValueError("bad rows")
    return value


@shared_task(name="shop.retry_twice", bind=True, max_retries=5)
def retry_twice(self, value):
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return value


@shared_task(name="shop.become", bind=True)
def become(self, value):
    if self.request.retries < 1:
        raise self.retry(countdown=0)
    raise self.replace(add.si(value, 1) | add.s(1))


@shared_task(name="shop.die_once")
def die_once(value):
    flag = Path(f"died-{value}")
    if not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return value
"""


@pytest.fixture
def shop(project: Callable[..., Any]) -> Iterator[Any]:
    made = project(plan=PLAN, tasks=TASKS)
    made.worker = made.start_celeriac("worker", "web")
    yield made


@pytest.fixture
def app(shop: Any) -> Iterator[Celery]:
    made = create_app(read_plan(shop.folder / "celeriac.toml"))
    made.conf.include = []  # the tasks live in the worker; this side sends by name
    made.conf.imports = []
    yield made
    made.close()


def _runs_of_total(folder: Path) -> int:
    log = folder / "runs"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_results_groups_and_chords_come_back(shop: Any, app: Celery) -> None:
    def add(x: int, y: int) -> Signature:
        return app.signature("shop.add", (x, y))

    assert add(1, 2).delay().get(timeout=20) == 3
    assert group([add(n, n) for n in range(40)], app=app)().get(timeout=20) == [2 * n for n in range(40)]
    fired = chord([add(n, n) for n in range(40)], app.signature("shop.total"), app=app)()
    assert fired.get(timeout=20) == [2 * n for n in range(40)]
    nested = chord(
        [add(1, 1), chain(add(1, 1), group([app.signature("shop.add", (n,)) for n in (1, 2)], app=app))],
        app.signature("shop.total"),
        app=app,
    )()
    assert nested.get(timeout=20) == [2, [3, 4]]
    body_of_many = chord([add(1, 1)], group([app.signature("shop.total")] * 2, app=app), app=app)()
    assert body_of_many.get(timeout=20) == [[2], [2]]


def test_a_retried_task_that_replaces_itself_has_its_result(shop: Any, app: Celery) -> None:
    assert app.signature("shop.retry_twice", ("v",)).delay().get(timeout=20) == "v"
    assert app.signature("shop.become", (1,)).delay().get(timeout=20) == 3


def test_a_chord_fires_once_though_its_parts_kill_their_processes(shop: Any, app: Celery) -> None:
    parts = [app.signature("shop.die_once", (n,)) for n in range(3)]
    parts += [app.signature("shop.add", (n, 0)) for n in range(3, 20)]
    assert chord(parts, app.signature("shop.total"), app=app)().get(timeout=60) == list(range(20))
    assert _runs_of_total(shop.folder) == 1


def test_a_chord_survives_kill_9_of_the_whole_worker(
    shop: Any, app: Celery, eventually: Callable[..., Any]
) -> None:
    parts = [app.signature("shop.add", (n, 0)) for n in range(200)]
    fired = chord(parts, app.signature("shop.total"), app=app)()
    eventually(lambda: any(part.ready() for part in fired.parent.results), within=20)
    shop.worker.signal_group(signal.SIGKILL)
    shop.start_celeriac("worker", "web")
    assert fired.get(timeout=60) == list(range(200))
    assert _runs_of_total(shop.folder) == 1


def test_a_failed_chord_is_mended_by_replaying_its_letter(
    shop: Any, app: Celery, eventually: Callable[..., Any]
) -> None:
    parts = [app.signature("shop.add", (n, 0)) for n in range(3)]
    parts.append(app.signature("shop.fail_until_mended", (3,)))
    fired = chord(parts, app.signature("shop.total"), app=app)()
    with pytest.raises(Exception, match="bad rows"):
        fired.get(timeout=20)
    (shop.folder / "mended").touch()
    records = Records(f"sqlite:///{shop.folder / 'records.db'}")
    recorder = Recorder(app, records)
    eventually(recorder.catch_up, within=20)
    (letter,) = records.find(LetterFilter())
    Replayer(app, records).replay(letter.id)
    failed = letter.task_id
    # An AsyncResult keeps the first outcome it saw, so a mended one is read anew.
    eventually(lambda: app.AsyncResult(fired.id).state == "SUCCESS", within=20)
    assert app.AsyncResult(fired.id).get(timeout=1) == [0, 1, 2, 3]
    assert app.AsyncResult(failed).get(timeout=1) == 3
    assert _runs_of_total(shop.folder) == 1
