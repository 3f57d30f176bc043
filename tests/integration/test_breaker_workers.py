"""A circuit breaker shared by three real workers, before a real service that fails."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from servers.project import Project
from servers.redis_server import running_redis

COOL_DOWN_S = 3.0

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
broker = "{broker}"
coordination = "{coordination}"

[queues.default]

[pools.web]
queues = ["default"]
executor = "{executor}"
concurrency = 1
replicas = 3

[tasks."shop.call"]
breaker = {{ name = "service", failures = 4, cool_down = "3s" }}
retry = {{ limit = 1, backoff = "0ms" }}
"""

TASKS = """\
import os, urllib.request
import celeriac
from celery import shared_task
from datetime import timedelta

def ask():
    return urllib.request.urlopen(os.environ["SERVICE"], timeout=5).read().decode()

@shared_task(name="shop.call", bind=True)
def call(self):
    return f"{ask()} {self.request.retries}"

@shared_task(name="shop.block")
def block():
    with celeriac.breaker("code", failures=2, cool_down=timedelta(seconds=2), on=OSError):
        return ask()

@shared_task(name="shop.own_trouble")
def own_trouble():
    with celeriac.breaker("code", failures=2, on=OSError):
        raise KeyError("nothing to do with the service")
"""


class Service:
    """An HTTP service that fails until it is mended, and remembers when it was called."""

    def __init__(self) -> None:
        self.calls: list[float] = []
        self.works = False
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.calls.append(time.time())
                self.send_response(200 if service.works else 503)
                self.end_headers()
                self.wfile.write(b"fine" if service.works else b"broken")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def service() -> Iterator[Service]:
    started = Service()
    yield started
    started.server.shutdown()
    started.server.server_close()


@pytest.fixture(params=["sqlite", "redis"])
def shop(request, project, service) -> Project:
    where = {
        "broker": "sqlite:///.celeriac/broker.db",
        "coordination": "sqlite:///.celeriac/coordination.db",
        "executor": "prefork",
    }
    if request.param == "redis":
        redis = request.getfixturevalue("redis_server")
        redis.flush()
        where = {"broker": redis.database(4), "coordination": redis.database(5), "executor": "solo"}
    return project(plan=PLAN.format(**where), tasks=TASKS, environ={"SERVICE": service.url})


def app_of(shop: Project):
    from celery import Celery

    import celeriac

    return celeriac.adopt(Celery("shop", set_as_current=False), shop.folder / "celeriac.toml")


def test_after_the_failures_nobody_calls_until_the_cool_down_and_then_one_probes(shop, service, eventually):
    up = shop.start_celeriac("up", "--only", "web")
    up.wait_for_log("ready: 3 running", within=60)
    app = app_of(shop)
    sent = [app.send_task("shop.call") for _ in range(12)]
    up.wait_for_log("breaker service is open")
    opened = min(log_time(up.log, "breaker service is open"))

    up.wait_for_log("lets one call probe", within=60)
    eventually(lambda: up.log.count("breaker service is open") == 2, within=60)
    reopened = max(log_time(up.log, "breaker service is open"))
    calls = sorted(service.calls)
    # Each of three workers may have been let through just before it opened.
    before = [call for call in calls if call <= opened + 0.2]
    assert 4 <= len(before) <= 6, (before, opened)
    probes = [call for call in calls if call > opened + 0.2]
    assert len(probes) == 1, "one probe, and it failed"
    assert probes[0] >= opened + COOL_DOWN_S * 0.9 - 0.2

    service.works = True
    outcomes = [str(it.get(timeout=40, propagate=False)) for it in sent]
    mended = [call for call in service.calls if call > reopened + 0.2]
    assert mended[0] >= reopened + COOL_DOWN_S * 0.9 - 0.2, "nobody called while it was open again"
    assert "breaker service is closed" in up.log
    fine = [it for it in outcomes if it.startswith("fine")]
    # The failures that opened it used the one retry they had; waiting used none.
    assert len(fine) >= 9, outcomes
    assert set(fine) <= {"fine 0", "fine 1"}
    assert "fine 0" in fine, "a task that only waited has spent no retry"


def test_a_breaker_in_code_sends_the_task_back_and_counts_only_its_exceptions(shop, service, eventually):
    worker = shop.start_celeriac("worker", "web")
    worker.wait_for_log("ready")
    app = app_of(shop)
    for name in ("shop.own_trouble", "shop.own_trouble", "shop.block"):
        failed = app.send_task(name)
        failed.get(timeout=10, propagate=False)
        assert failed.state == "FAILURE"
    assert "breaker code is open" not in worker.log
    app.send_task("shop.block").get(timeout=10, propagate=False)
    worker.wait_for_log("breaker code is open")
    waiting = app.send_task("shop.block")
    worker.wait_for_log("waits at the broker")
    service.works = True
    assert waiting.get(timeout=15) == "fine"
    assert len(service.calls) == 3


def test_while_the_store_cannot_be_asked_nobody_calls_and_the_tasks_wait(
    project, service, redis_server, tmp_path, eventually
):
    redis_server.flush()
    service.works = True
    with running_redis(tmp_path) as store:
        where = {"broker": redis_server.database(4), "coordination": store.url, "executor": "solo"}
        shop = project(plan=PLAN.format(**where), tasks=TASKS, environ={"SERVICE": service.url})
        worker = shop.start_celeriac("worker", "web")
        worker.wait_for_log("ready")
        os.kill(store.pid, signal.SIGSTOP)
        waiting = app_of(shop).send_task("shop.call")
        worker.wait_for_log("breaker service cannot be asked or told, and counts as open")
        worker.wait_for_log(f"shop.call[{waiting.id}] waits at the broker")
        assert service.calls == []
        os.kill(store.pid, signal.SIGCONT)
        assert waiting.get(timeout=20) == "fine 0"


def test_a_task_that_waits_holds_no_slot_and_a_breaker_can_be_closed_by_hand(shop, service):
    plan = shop.folder / "celeriac.toml"
    plan.write_text(plan.read_text().replace('cool_down = "3s"', 'cool_down = "5m"'))
    worker = shop.start_celeriac("worker", "web")
    worker.wait_for_log("ready")
    app = app_of(shop)
    for _ in range(4):
        app.send_task("shop.call", retries=1)
    worker.wait_for_log("breaker service is open")
    held = app.send_task("shop.call")
    worker.wait_for_log(f"shop.call[{held.id}] waits at the broker")
    service.works = True
    assert app.send_task("shop.block").get(timeout=10) == "fine", (
        "the one slot of this worker is free for others"
    )
    assert held.state == "PENDING"

    shown = json.loads(shop.celeriac("breakers", "--json").stdout)["breakers"]
    assert [(it["name"], it["state"], it["tasks"]) for it in shown] == [("service", "open", ["shop.call"])]
    assert "closed" in shop.celeriac("breakers", "--reset", "service").stdout
    assert app.send_task("shop.call").get(timeout=10) == "fine 0"


def log_time(log: str, text: str) -> list[float]:
    """When each line with `text` was logged, epoch seconds."""
    from datetime import datetime

    times = []
    for line in log.splitlines():
        if text in line:
            stamp = next(
                line[at : at + 23]
                for at in range(len(line))
                if line[at : at + 2] == "20" and line[at + 10] == " "
            )
            times.append(datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S,%f").timestamp())
    return times
