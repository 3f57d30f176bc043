"""Runs of real workers, recorded over the embedded broker and Redis, and what the command line says of them."""

from __future__ import annotations

import json
import sqlite3
import time
import uuid

import pytest
from celery import Celery

from celeriac.control.runs import document
from celeriac.records import RunFilter, Runs

PLAN = """\
[celeriac]
imports = ["shop_tasks"]
{broker}
[queues.default]
[queues.low]
[pools.web]
queues = ["default", "low"]
executor = "{executor}"
concurrency = 1
[tasks."shop.again"]
retry = {{ limit = 1, backoff = "10ms", cap = "10ms" }}
[tasks."shop.low"]
queue = "low"
[records]
arguments = "full"
"""
TASKS = """\
import time
from celery import shared_task

@shared_task(name="shop.add")
def add(x, y):
    return x + y

@shared_task(name="shop.again")
def again(message):
    raise KeyError(message)

@shared_task(name="shop.low")
def low():
    add.delay(1, 1)

@shared_task(name="shop.nap")
def nap(seconds):
    time.sleep(seconds)
"""


@pytest.fixture(params=["solo", "prefork", "threads"])
def shop(request, project):
    broker, executor = "", request.param
    if executor == "redis":
        server = request.getfixturevalue("redis_server")
        broker, executor = f'broker = "{server.url}"', "solo"
    return project(plan=PLAN.format(broker=broker, executor=executor), tasks=TASKS)


@pytest.fixture
def runs(shop):
    runs = Runs("sqlite:///.celeriac/records.db", shop.folder)
    yield lambda: [document(seen) for seen in runs.find(RunFilter())]
    runs.close()


def listed(shop, *arguments):
    """What the command line says."""
    done = shop.celeriac("runs", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return [run["task_id"] for run in json.loads(done.stdout)]


@pytest.mark.parametrize("shop", ["prefork", "redis"], indirect=True)
def test_a_plan_with_records_keeps_every_run_of_its_workers(shop, runs, eventually):
    up = shop.start_celeriac("up")
    up.wait_for_log("ready:")
    added = shop.celeriac("send", "shop.add", "2", "3").stdout.strip()
    failed = shop.celeriac("send", "shop.again", "boom").stdout.strip()
    parent = shop.celeriac("send", "shop.low").stdout.strip()

    def ended():
        found = {run["task_id"]: run for run in runs()}
        return (
            len(found) == 4 and all(run["state"] in ("succeeded", "dead") for run in found.values()) and found
        )

    found = eventually(ended, within=60.0)
    assert found[added]["args"] in ("[2, 3]", "(2, 3)")
    assert found[added]["queue"] == "default"
    assert found[added]["worker"].startswith("web-1@")
    assert 0 <= found[added]["wait_s"] < 20
    assert [each["state"] for each in found[added]["history"]] == ["received", "running", "succeeded"]
    assert (found[failed]["state"], found[failed]["attempts"]) == ("dead", 2)
    assert found[failed]["error"] == "KeyError('boom')"
    assert found[parent]["queue"] == "low"
    (child,) = set(found) - {added, failed, parent}
    assert (found[child]["parent_id"], found[child]["root_id"]) == (parent, parent)

    assert listed(shop, "--failed", "--text", "BOOM", "--since", "1h") == [failed]
    shown = shop.celeriac("runs", "show", failed[:10]).stdout
    assert "letter" in shown and "KeyError" in shown and "(attempt 2)" in shown
    assert up.stop(within=60.0) == 0


def test_what_ran_last_before_a_worker_stopped_is_on_record_too(shop, runs, eventually):
    recorder = shop.start_celeriac("recorder")
    eventually(lambda: _listens(shop), within=60.0)
    worker = shop.start_celeriac("worker", "web")
    nap = shop.celeriac("send", "shop.nap", "1.5").stdout.strip()
    assert eventually(lambda: [run["state"] for run in runs()] == ["running"], within=60.0)
    assert worker.stop(within=60.0) == 0
    assert eventually(lambda: runs()[0]["state"] == "succeeded", within=60.0)
    assert runs()[0]["task_id"] == nap
    assert runs()[0]["run_s"] > 1.4
    assert recorder.stop() == 0


@pytest.mark.parametrize("shop", ["solo"], indirect=True)
def test_nothing_anybody_sends_ends_the_recorder(shop, runs, eventually):
    recorder = shop.start_celeriac("recorder")
    eventually(lambda: _listens(shop), within=60.0)
    app = Celery(broker=f"sqlite:///{shop.folder}/.celeriac/broker.db")
    good = {
        "type": "task-started",
        "uuid": str(uuid.uuid4()),
        "timestamp": time.time(),
        "hostname": "w\0\ud800",
    }
    with app.connection_for_write() as connection:
        exchange = app.events.Receiver(connection).exchange
        producer = connection.Producer(exchange=exchange)
        for body, kind in (
            (b"{", "application/json"),
            (b"\x80\x04]", "application/x-python-serialize"),
            (b"[" * 50_000, "application/json"),
            (
                json.dumps([None, 7, {"type": "task-started"}, {**good, "uuid": "x" * 9999}]),
                "application/json",
            ),
            (
                json.dumps([{**good, "name": "n" * 2_000_000, "traceback": {}, "retries": 10**30}]),
                "application/json",
            ),
        ):
            producer.publish(
                body,
                routing_key="task.multi",
                declare=[exchange],
                content_type=kind,
                content_encoding="utf-8",
            )

    assert eventually(lambda: [run["task_id"] for run in runs()] == [good["uuid"]], within=60.0)
    assert "it is no JSON" in recorder.log
    assert "dropped 2 of what it was told of runs: it is no event" in recorder.log
    assert "its task id is too long" in recorder.log
    assert recorder.stop() == 0


def _listens(shop) -> bool:
    try:
        with sqlite3.connect(f"file:{shop.folder}/.celeriac/broker.db?mode=ro", uri=True) as db:
            return bool(db.execute("SELECT count(*) FROM bindings WHERE exchange = 'celeryev'").fetchone()[0])
    except sqlite3.OperationalError:
        return False  # just being made
