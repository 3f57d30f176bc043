"""Results on PostgreSQL through real workers, and what becomes of them when the server fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from celery import Celery, chord, group
from celery.exceptions import TimeoutError  # noqa: A004

from celeriac.app import create_app
from celeriac.backends import BACKENDS
from celeriac.backends.postgres import patience
from celeriac.errors import ResultsUnavailable
from celeriac.plan import read_plan
from servers.postgres_server import PostgresServer

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
results = "{results}"

[queues.default]

[pools.web]
queues = ["default"]
executor = "{executor}"
concurrency = {concurrency}

[tasks."shop.die_once"]
results = {{ expires = "10s", compression = "gzip" }}
"""

TASKS = """\
import os
import signal
from pathlib import Path

from celery import shared_task


@shared_task(name="shop.add")
def add(x, y):
    return x + y


@shared_task(name="shop.total")
def total(parts):
    return sum(parts)


@shared_task(name="shop.die_once")
def die_once(value):
    flag = Path(f"died-{value}")
    if not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return value
"""


@pytest.fixture
def place(postgres_server: PostgresServer) -> str:
    return postgres_server.new_database()


@pytest.fixture
def app(place: str) -> Iterator[Celery]:
    made = Celery("t", broker="memory://", backend=place, set_as_current=False)
    made.loader.override_backends = BACKENDS
    yield made
    made.close()


@pytest.mark.parametrize(("executor", "concurrency"), [("prefork", 2), ("threads", 4)])
def test_values_groups_and_chords_come_back(
    executor: str, concurrency: int, place: str, project: Callable[..., Any]
) -> None:
    plan = PLAN.format(results=place, executor=executor, concurrency=concurrency)
    shop = project(plan=plan, tasks=TASKS)
    shop.start_celeriac("worker", "web")
    app = create_app(read_plan(shop.folder / "celeriac.toml"))
    app.conf.include = []
    add = [app.signature("shop.add", (n, n)) for n in range(40)]
    total = app.signature("shop.total")
    assert add[3].delay().get(timeout=60) == 6
    assert group(add, app=app)().get(timeout=60) == [2 * n for n in range(40)]
    assert chord(add, total, app=app)().get(timeout=60) == 2 * sum(range(40))
    if executor == "prefork":
        deadly = [app.signature("shop.die_once", (n,)) for n in range(2)]
        assert chord(deadly, total, app=app)().get(timeout=60) == 1
    app.close()


def test_a_waiter_is_told_and_does_not_look(app: Celery, place: str) -> None:
    app.backend.store_result("before", 1, "SUCCESS")
    waited: list[float] = []

    def wait() -> None:
        app.AsyncResult("late").get(timeout=60)
        waited.append(time.monotonic())

    thread = threading.Thread(target=wait)
    thread.start()
    with psycopg.connect(place, autocommit=True) as connection:
        count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        deadline = time.monotonic() + 60
        while connection.execute(count).fetchone() != (1,):
            assert time.monotonic() < deadline
    stored_after = []
    for _ in range(2):  # the first look of the waiter may fall into the moment of the write
        app.backend.store_result("late", 1, "SUCCESS")
        stored_after.append(time.monotonic())
    thread.join()
    assert waited[0] - stored_after[0] < 0.5, "that is how often it would look by itself"


def test_who_waits_is_told_also_after_the_server_has_ended_all_connections(
    app: Celery, place: str, postgres_server: PostgresServer
) -> None:
    app.backend.store_result("before", 1, "SUCCESS")
    outcome: list[Any] = []
    thread = threading.Thread(target=lambda: outcome.append(app.AsyncResult("late").get(timeout=60)))
    thread.start()
    name = place.rpartition("/")[2]
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s"
        deadline = time.monotonic() + 60
        while connection.execute(end, (name,)).fetchone() == (0,):
            assert time.monotonic() < deadline
    app.backend.store_result("late", "told", "SUCCESS")
    thread.join(60)
    assert outcome == ["told"]


def test_a_frozen_server_keeps_nobody_waiting_past_the_deadline(
    app: Celery, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "ANSWER_S", 1.0)
    app.conf.result_backend_max_retries = 0
    app.backend.store_result("t", 1, "SUCCESS")
    family = [postgres_server.pid, *_children(postgres_server.pid)]
    for pid in family:
        os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(ResultsUnavailable, match=r"RESULT-033 .* no answer within"):
            app.backend.rows.read("t")
        assert time.monotonic() - began < 10
    finally:
        for pid in family:
            os.kill(pid, signal.SIGCONT)
    assert app.backend.get_task_meta("t", cache=False)["result"] == 1


def _children(pid: int) -> list[int]:
    said = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=True).stdout
    return [int(line) for line in said.split()]


def test_ids_that_postgresql_cannot_spell_are_kept_all_the_same(app: Celery) -> None:
    for task_id in ("nul\x00inside", "half\ud800a pair", "ünïcode", "a b,c'\"\\"):
        app.backend.store_result(task_id, 1, "SUCCESS")
        assert app.AsyncResult(task_id).get(timeout=10) == 1
    with pytest.raises(TimeoutError):
        app.AsyncResult("nul\x00outside").get(timeout=0.1)


def test_many_processes_that_write_the_same_tasks_end_each_with_one_success(place: str) -> None:
    script = (
        "import sys; from celery import Celery; from celeriac.backends import BACKENDS\n"
        "from celeriac.backends.gathering import GATHERED\n"
        "app = Celery('w', backend=sys.argv[1]); app.loader.override_backends = BACKENDS\n"
        "GATHERED.begin()\n"
        "for n in range(300): app.backend.store_result(f't{n * 7 % 300}', sys.argv[2], 'SUCCESS')\n"
        "GATHERED.end()\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, place, str(n)]) for n in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    with psycopg.connect(place) as connection:
        found = connection.execute("SELECT state, count(*) FROM celeriac_results GROUP BY state").fetchall()
    assert found == [("SUCCESS", 300)]


def test_a_server_that_is_away_is_one_clear_error() -> None:
    app = Celery("t", backend="postgresql://shop:secret@127.0.0.1:1/shop", set_as_current=False)
    app.loader.override_backends = BACKENDS
    app.conf.update(result_backend_always_retry=False)
    with pytest.raises(ResultsUnavailable) as refused:
        app.backend.store_result("t", 1, "SUCCESS")
    assert refused.value.code == "RESULT-033"
    assert "secret" not in str(refused.value)
