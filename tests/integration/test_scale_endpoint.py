"""`/scale/POOL` of a real metrics process, on each kind of broker, while tasks wait, run and end."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from servers.redis_server import free_port
from servers.waiting import eventually

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
broker = "${{SHOP_BROKER}}"

[queues.default]
[queues.slow]

[pools.web]
queues = ["default", "slow"]
executor = "prefork"
concurrency = 2
prefetch = 1

[metrics]
address = "127.0.0.1:{port}"
"""

TASKS = """\
import time
from pathlib import Path
from celery import shared_task

@shared_task(name="shop.hold")
def hold():
    while not Path("go on").exists():
        time.sleep(0.02)
"""


@pytest.fixture(params=["sqlite", "redis", "rabbitmq"])
def shop(request, project):
    """A project on each kind of broker, with its metrics served: the project, and what asks for the scale."""
    if request.param == "rabbitmq":
        url = request.getfixturevalue("rabbitmq_server").new_vhost()
    elif request.param == "redis":
        server = request.getfixturevalue("redis_server")
        server.flush()
        url = server.url
    else:
        url = "sqlite:///.celeriac/broker.db"
    return project(plan=PLAN.format(port=free_port()), tasks=TASKS, environ={"SHOP_BROKER": url})


def ask(shop, pool: str = "web") -> tuple[int, Any]:
    """Ask for the scale of a pool: status and body."""
    port = (shop.folder / "celeriac.toml").read_text().partition("127.0.0.1:")[2].partition('"')[0]
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/scale/{pool}", timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except urllib.error.URLError:
        return 0, None


def scale(shop) -> dict[str, Any]:
    """Ask for the scale of the pool; empty while there is none, as when a busy broker does not answer in time."""
    status, told = ask(shop)
    return told if status == 200 else {}


def told(shop, **wanted: object) -> bool:
    return (now := scale(shop)) != {} and {key: now[key] for key in wanted} == wanted


def test_the_scale_follows_what_waits_and_what_runs(shop):
    shop.start_celeriac("metrics")
    eventually(lambda: told(shop, workers=0.0, ready=0, running=0, slots=2), within=60)
    for queue in ("default", "default", "default", "slow", "slow"):
        assert shop.celeriac("send", "shop.hold", "--queue", queue).returncode == 0
    eventually(lambda: told(shop, workers=2.5, ready=5, queues={"default": 3, "slow": 2}), within=60)

    shop.start_celeriac("worker", "web").wait_for_log("ready.", within=60)
    eventually(lambda: (now := scale(shop)) and now["running"] == 2 and now["ready"] <= 3, within=60)
    (shop.folder / "go on").touch()
    eventually(lambda: told(shop, workers=0.0, ready=0, running=0), within=60)
    assert ask(shop, "wbe")[0] == 404


def test_while_the_broker_is_away_there_is_no_number(project):
    plan = PLAN.format(port=free_port())
    shop = project(plan=plan, tasks=TASKS, environ={"SHOP_BROKER": "redis://127.0.0.1:1/0"})
    shop.start_celeriac("metrics")
    eventually(lambda: ask(shop)[0] == 503, within=60)


def test_counts_only_asks_no_broker(project):
    plan = PLAN.format(port=free_port())
    shop = project(plan=plan, tasks=TASKS, environ={"SHOP_BROKER": "redis://127.0.0.1:1/0"})
    metrics = shop.start_celeriac("metrics", "--counts-only")
    eventually(lambda: ask(shop)[0] == 404, within=60)
    port = plan.partition("127.0.0.1:")[2].partition('"')[0]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    assert "celeriac_build_info" in text
    assert "celeriac_broker_up" not in text
    assert "celeriac_queue_messages" not in text
    assert "metrics.unread" not in metrics.log
