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
    eventually(lambda: any(part.ready() for part in fired.parent.results), within=60)
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
    eventually(recorder.catch_up, within=60)
    (letter,) = records.find(LetterFilter())
    Replayer(app, records).replay(letter.id)
    failed = letter.task_id
    # An AsyncResult keeps the first outcome it saw, so a mended one is read anew.
    eventually(lambda: app.AsyncResult(fired.id).state == "SUCCESS", within=60)
    assert app.AsyncResult(fired.id).get(timeout=1) == [0, 1, 2, 3]
    # A part counts before its success is on record, and until then its old failure is.
    eventually(lambda: app.AsyncResult(failed).state == "SUCCESS", within=60)
    assert app.AsyncResult(failed).get(timeout=1) == 3
    assert _runs_of_total(shop.folder) == 1


DIES_WHEN_FIRING = """\
import os
import signal
from pathlib import Path

from celery import shared_task

from celeriac.backends.sqlite.backend import SQLiteBackend
from celeriac.backends.sqlite.chords import Chords

POINTS = {{"before the body is sent": (SQLiteBackend, "_fire_chord"), "after it is sent": (Chords, "mark_fired")}}


def die_once_at(owner, name):
    inner = getattr(owner, name)

    def dying(*args):
        flag = Path("died")
        if not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return inner(*args)

    setattr(owner, name, dying)


die_once_at(*POINTS["{point}"])


@shared_task(name="shop.add")
def add(x, y):
    return x + y


@shared_task(name="shop.total")
def total(parts):
    with Path("runs").open("a") as log:
        log.write("total\\n")
    return parts
"""


@pytest.mark.parametrize("point", ["before the body is sent", "after it is sent"])
def test_a_worker_killed_at_the_moment_of_firing_neither_strands_nor_doubles_the_body(
    project: Callable[..., Any], eventually: Callable[..., Any], point: str
) -> None:
    shop = project(plan=PLAN, tasks=DIES_WHEN_FIRING.format(point=point))
    shop.start_celeriac("worker", "web")
    app = create_app(read_plan(shop.folder / "celeriac.toml"))
    parts = [app.signature("shop.add", (n, 0)) for n in range(4)]
    fired = chord(parts, app.signature("shop.total"), app=app)()
    assert fired.get(timeout=40) == [0, 1, 2, 3]
    assert (shop.folder / "died").exists()
    # A second body would be behind this one in the queue.
    assert app.signature("shop.add", (1, 1)).delay().get(timeout=20) == 2
    assert _runs_of_total(shop.folder) == 1
    app.close()


PAUSED = """\
import time
from pathlib import Path

from celery import current_app, shared_task

current_app.conf.broker_transport_options["lease"] = 2


@shared_task(name="shop.wait", bind=True)
def wait(self):
    run = "second" if self.request.delivery_info["deliveries"] else "first"
    Path(run).touch()
    while not Path(f"go-{run}").exists():
        time.sleep(0.01)
    return run
"""


def test_a_paused_worker_that_comes_back_may_not_write_a_result(
    project: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    plan = PLAN.replace('executor = "prefork"\nconcurrency = 2', 'executor = "solo"')
    shop = project(plan=plan, tasks=PAUSED)
    app = create_app(read_plan(shop.folder / "celeriac.toml"))
    paused = shop.start_celeriac("worker", "web", "--replica", "1")
    waiting = app.signature("shop.wait").delay()
    eventually((shop.folder / "first").exists, within=60)
    paused.signal_group(signal.SIGSTOP)
    shop.start_celeriac("worker", "web", "--replica", "2")
    eventually((shop.folder / "second").exists, within=60)
    (shop.folder / "go-first").touch()
    paused.signal_group(signal.SIGCONT)
    paused.wait_for_log("refused a late SUCCESS")
    assert app.AsyncResult(waiting.id).state == "STARTED"
    (shop.folder / "go-second").touch()
    assert waiting.get(timeout=20) == "second"
    app.close()
