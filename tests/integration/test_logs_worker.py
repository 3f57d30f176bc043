"""Logs of a real worker: as the plan says, with the task in every record of it, and no credentials anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from servers.project import Project
from servers.redis_server import free_port

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]

[queues.default]

[pools.web]
queues = ["default"]
executor = "{executor}"
concurrency = {concurrency}

[logs]
format = "json"

[logs.files.errors]
path = "logs/errors.log"
level = "ERROR"
[logs.files.performance]
path = "logs/performance.log"
level = "DEBUG"
loggers = ["celeriac.performance"]
"""

TASKS = """\
import logging
from celery import shared_task

logger = logging.getLogger("shop")
URL = "redis://:s3cret@cache:6379/0"

@shared_task(name="shop.look", bind=True)
def look(self):
    print("printed by a task")
    logger.info("looking at %s", URL)
    if self.request.retries == 0:
        raise self.retry(countdown=0)

@shared_task(name="shop.lose")
def lose():
    raise ConnectionError(f"lost {URL}")
"""


@pytest.mark.parametrize(("executor", "concurrency"), [("prefork", 2), ("threads", 2), ("solo", 1)])
def test_a_worker_logs_as_the_plan_says(
    project: Callable[..., Project], eventually: Callable[..., object], executor: str, concurrency: int
) -> None:
    shop = project(plan=PLAN.format(executor=executor, concurrency=concurrency), tasks=TASKS)
    worker = shop.start_celeriac("worker", "web")
    worker.wait_for_log("ready.")
    looked = json.loads(shop.celeriac("send", "shop.look", "--json").stdout)["task_id"]
    shop.celeriac("send", "shop.lose")

    def lines(text: str) -> list[dict[str, Any]]:
        # Celery prints one line past all logging, when it is told to stop.
        return [json.loads(line) for line in text.splitlines() if line and not line.startswith("worker: ")]

    performance = shop.folder / "logs" / "performance.log"
    eventually(lambda: performance.exists() and len(performance.read_text().splitlines()) == 3, within=60)
    errors = shop.folder / "logs" / "errors.log"
    eventually(lambda: "became letter" in errors.read_text(), within=60)
    assert worker.stop() == 0

    records = lines(worker.log)  # every line of it is JSON, what tasks print included
    said = [record for record in records if record["message"].startswith("looking at")]
    assert [record["message"] for record in said] == ["looking at redis://:***@cache:6379/0"] * 2
    assert [(it["task"], it["task_id"], it["queue"], it["attempt"]) for it in said] == [
        ("shop.look", looked, "default", 1),
        ("shop.look", looked, "default", 2),
    ]
    assert [it["attempt"] for it in records if it["message"] == "printed by a task"] == [1, 2]
    received = next(it for it in records if "received" in it["message"])
    assert (received["task"], received["task_id"]) == ("shop.look", looked)
    assert "extra" not in received

    failed = [record for record in lines(errors.read_text()) if "exception" in record]
    assert "ConnectionError: lost redis://:***@cache:6379/0" in failed[0]["exception"]
    assert all(record["level"] in ("ERROR", "CRITICAL") for record in lines(errors.read_text()))
    ended = [record["fields"] for record in lines(performance.read_text())]
    assert sorted((it["task"], it["state"]) for it in ended) == [
        ("shop.look", "RETRY"),
        ("shop.look", "SUCCESS"),
        ("shop.lose", "FAILURE"),
    ]
    assert all(it["run_s"] >= 0 for it in ended)
    for file in (worker.log_path, errors, performance):
        assert "s3cret" not in file.read_text()


def test_credentials_are_hidden_also_where_the_plan_says_nothing_of_logs(
    project: Callable[..., Project],
) -> None:
    plan = PLAN.partition("[logs]")[0].format(executor="prefork", concurrency=1)
    shop = project(plan=plan, tasks=TASKS)
    worker = shop.start_celeriac("worker", "web")
    worker.wait_for_log("ready.")
    shop.celeriac("send", "shop.lose")
    worker.wait_for_log("became letter")
    assert worker.stop() == 0
    assert "lost redis://:***@cache:6379/0" in worker.log
    assert "s3cret" not in worker.log


def test_recorder_beat_and_metrics_log_as_the_plan_says_too(project: Callable[..., Project]) -> None:
    plan = PLAN.replace(
        "[logs.files", '[schedules.often]\ntask = "shop.lose"\nevery = "1s"\n\n[logs.files', 1
    )
    shop = project(plan=plan.format(executor="threads", concurrency=1), tasks=TASKS)
    worker = shop.start_celeriac("worker", "web")
    worker.wait_for_log("ready.")
    recorder = shop.start_celeriac("recorder")
    shop.celeriac("send", "shop.lose")
    recorder.wait_for_log('"event":"letter.recorded"')
    beat = shop.start_celeriac("beat")
    beat.wait_for_log('{"time":')
    metrics = shop.start_celeriac("metrics", "--address", f"127.0.0.1:{free_port()}")
    metrics.wait_for_log('"event":"metrics.serving"')
    for running in (beat, metrics, recorder, worker):
        assert running.stop() == 0
        for line in running.log.splitlines():
            assert not line or line.startswith("worker: ") or json.loads(line)
