"""The rate of a task, kept by two real workers together, on each kind of broker."""

from __future__ import annotations

import os
import re
import signal
import time

import pytest

from servers.project import Project
from servers.redis_server import running_redis

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
broker = "{broker}"
results = "{results}"
coordination = "{coordination}"

[queues.default]

[pools.web]
queues = ["default"]
executor = "{executor}"
concurrency = 2
replicas = 2

[tasks."shop.search"]
rate = "10/s"

[tasks."shop.slow"]
rate = "4/s"

[tasks."shop.hourly*"]
rate = "1/h"
retry = {{ limit = 1, backoff = "0ms", on = ["ConnectionError"] }}
"""

TASKS = """\
import os, time
from celery import shared_task

def note(name, who):
    line = f"{time.time()} {os.getppid()} {os.getpid()} {who}\\n".encode()
    with open(name, "ab", buffering=0) as runs:
        runs.write(line)

@shared_task(name="shop.search", bind=True)
def search(self):
    note("search.runs", self.request.id)

@shared_task(name="shop.slow", bind=True)
def slow(self):
    note("slow.runs", self.request.id)

@shared_task(name="shop.hourly", bind=True)
def hourly(self):
    note("hourly.runs", self.request.id)
    return self.request.retries

@shared_task(name="shop.hourly_too", bind=True)
def hourly_too(self):
    note("hourly_too.runs", self.request.id)
    raise ConnectionError("the service is away")

@shared_task(name="shop.free")
def free():
    return "free"
"""


@pytest.fixture(params=["sqlite", "redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def shop(broker: str, request: pytest.FixtureRequest, project) -> Project:
    where = {
        "broker": "sqlite:///.celeriac/broker.db",
        "results": "sqlite:///.celeriac/results.db",
        "coordination": "sqlite:///.celeriac/coordination.db",
        "executor": "prefork",
    }
    if broker == "redis":
        redis = request.getfixturevalue("redis_server")
        redis.flush()
        where |= {"broker": redis.database(4), "coordination": redis.database(5), "executor": "processes"}
    if broker == "rabbitmq":
        where |= {"broker": request.getfixturevalue("rabbitmq_server").new_vhost()}
    return project(plan=PLAN.format(**where), tasks=TASKS)


def app_of(shop: Project):
    from celery import Celery

    import celeriac

    return celeriac.adopt(Celery("shop", set_as_current=False), shop.folder / "celeriac.toml")


def runs(shop: Project, name: str) -> list[tuple[float, str, str, str]]:
    """When each run began, its worker, its process and its task; in the order of their beginnings."""
    path = shop.folder / f"{name}.runs"
    lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return sorted((float(at), worker, process, task_id) for at, worker, process, task_id in lines)


def test_two_workers_together_keep_the_rate_and_run_every_task_once(shop, eventually):
    up = shop.start_celeriac("up", "--only", "web")
    up.wait_for_log("ready: 2 running", within=60)
    app = app_of(shop)
    sent = [app.send_task("shop.search").id for _ in range(50)]
    eventually(lambda: len(runs(shop, "search")) >= 50, within=60)
    for result in map(app.AsyncResult, sent):
        result.get(timeout=60)
    found = runs(shop, "search")
    assert sorted(task_id for *_, task_id in found) == sorted(sent), "each ran once"
    assert len({worker for _, worker, *_ in found}) == 2, "both workers took part"
    began = [at for at, *_ in found]
    # A task writes the time down when its worker has the store's answer: on a busy machine up to this much later.
    late_s = 0.25
    most = max(sum(at <= each < at + 1.0 - late_s for each in began) for at in began)
    assert most <= 10, f"{most} began within a second: {began}"
    assert began[-1] - began[0] >= 4.0 - late_s, "50 of them take the four windows after the first"
    # One place each, and another for who came late while the workers started; asking until there is room takes
    # many times as many.
    holds = up.log.count("waits at the broker")
    assert 30 <= holds <= 80, f"{holds} times a task was sent back"


def test_no_waiting_task_is_lost_with_a_worker_that_is_killed(shop, eventually):
    workers = [shop.start_celeriac("worker", "web") for _ in range(2)]
    for worker in workers:
        worker.wait_for_log("ready")
    app = app_of(shop)
    sent = [app.send_task("shop.slow").id for _ in range(30)]
    eventually(lambda: len(runs(shop, "slow")) >= 5, within=60)
    workers[0].signal_group(signal.SIGKILL)
    eventually(lambda: {task_id for *_, task_id in runs(shop, "slow")} == set(sent), within=60)
    for result in map(app.AsyncResult, sent):
        result.get(timeout=60)
    began = [at for at, *_ in runs(shop, "slow")]
    assert max(sum(at <= each < at + 0.75 for each in began) for at in began) <= 4, began


def test_a_waiting_task_holds_no_slot_says_why_it_waits_and_expires_in_time(shop, broker):
    worker = shop.start_celeriac("worker", "web")
    worker.wait_for_log("ready")
    app = app_of(shop)
    assert app.send_task("shop.hourly").get(timeout=60) == 0
    hasty = app.send_task("shop.hourly", expires=2)
    worker.wait_for_log(f"shop.hourly[{hasty.id}] waits at the broker")
    waiting = app.send_task("shop.hourly")
    worker.wait_for_log(f"shop.hourly[{waiting.id}] waits at the broker")
    for _ in range(4):
        assert app.send_task("shop.free").get(timeout=60) == "free"
    hasty.get(timeout=60, propagate=False)
    assert hasty.state == "REVOKED"
    assert waiting.state == "PENDING"
    assert len(runs(shop, "hourly")) == 1
    if broker == "rabbitmq":
        return  # its queues cannot be looked into
    answer = shop.celeriac("why", waiting.id)
    assert "when its place in the rate of 1/h is due" in answer.stdout, answer.stdout
    until = re.search(r"until (\S+ \S+)", answer.stdout)
    assert until is not None
    due = time.mktime(time.strptime(until[1], "%Y-%m-%d %H:%M:%S"))
    # The one that expired has taken no place: the next is an hour after the first.
    assert abs(due - (runs(shop, "hourly")[0][0] + 3600)) < 30


def test_a_retry_is_a_run_of_its_own_and_waits_for_its_rate(shop, eventually):
    worker = shop.start_celeriac("worker", "web")
    worker.wait_for_log("ready")
    sent = app_of(shop).send_task("shop.hourly_too")
    worker.wait_for_log(f"shop.hourly_too[{sent.id}] waits at the broker")
    assert len(runs(shop, "hourly_too")) == 1


def test_while_the_store_cannot_be_asked_the_tasks_wait(project, redis_server, tmp_path):
    redis_server.flush()
    with running_redis(tmp_path) as store:
        where = {"broker": redis_server.database(4), "coordination": store.url, "executor": "threads"}
        shop = project(plan=PLAN.format(results=redis_server.database(4), **where), tasks=TASKS)
        worker = shop.start_celeriac("worker", "web")
        worker.wait_for_log("ready")
        os.kill(store.pid, signal.SIGSTOP)
        try:
            waiting = app_of(shop).send_task("shop.search")
            worker.wait_for_log("the rate of shop.search cannot be asked for, so its runs wait")
            worker.wait_for_log(f"shop.search[{waiting.id}] waits at the broker")
            assert runs(shop, "search") == []
        finally:
            os.kill(store.pid, signal.SIGCONT)
        waiting.get(timeout=60)
        assert len(runs(shop, "search")) == 1
