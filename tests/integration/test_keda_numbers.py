"""What KEDA would read: each rendered trigger, asked of a real server the way KEDA asks it."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from celeriac.deploy.keda.objects import scaled_object, scaled_units
from celeriac.deploy.targets import read_plan_as_written
from celeriac.deploy.yaml import plain
from servers.redis_server import free_port
from servers.waiting import eventually

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
broker = "${{SHOP_BROKER}}"

[queues."mail.out"]
[queues.chat]

[pools.web]
queues = ["mail.out", "chat"]
executor = "prefork"
concurrency = 2
prefetch = 1
replicas = {{ min = 1, max = 6 }}

[metrics]
address = "127.0.0.1:{port}"
auth = "${{METRICS_AUTH}}"

[deploy]
scaler = "{scaler}"
{more}
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

SEND = """\
from celeriac import create_app
app = create_app("celeriac.toml")
for queue, priority in (("mail.out", 0), ("mail.out", 3), ("mail.out", 9), ("chat", 5), ("chat", 5)):
    app.send_task("shop.hold", queue=queue, priority=priority)
"""


@pytest.fixture
def shop(project, monkeypatch):
    """Give a project by scaler and broker, with five tasks sent over two queues and four priorities."""

    def made(scaler: str, broker: str, more: str = ""):
        environ = {"SHOP_BROKER": broker, "METRICS_AUTH": "keda:s3cret"}
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        plan = PLAN.format(port=free_port(), scaler=scaler, more=more)
        made = project(plan=plan, tasks=TASKS, environ=environ)
        sent = made.run("python", "-c", SEND)
        assert sent.returncode == 0, sent.stderr
        return made

    return made


def spec_of(folder: Path) -> dict[str, Any]:
    plan = read_plan_as_written(folder / "celeriac.toml")
    [unit] = scaled_units(plan)
    spec: dict[str, Any] = plain(scaled_object(plan, unit))["spec"]
    return spec


def summed(spec: dict[str, Any], numbers: dict[str, int]) -> int:
    """Work the formula out as KEDA does."""
    return sum(numbers[name] for name in spec["advanced"]["scalingModifiers"]["formula"].split(" + "))


def port_of(folder: Path) -> str:
    return (folder / "celeriac.toml").read_text().partition("127.0.0.1:")[2].partition('"')[0]


def test_the_lists_of_redis_hold_every_message_once(shop, redis_server):
    import redis

    redis_server.flush()
    made = shop("redis", redis_server.url)
    spec = spec_of(made.folder)
    with redis.Redis.from_url(redis_server.url) as client:
        numbers = {each["name"]: client.llen(each["metadata"]["listName"]) for each in spec["triggers"]}
    assert summed(spec, numbers) == 5
    assert max(numbers.values()) == 2  # what would count without the formula


def test_the_queues_of_rabbitmq_hold_every_message_once(shop, rabbitmq_server):
    import kombu

    url = rabbitmq_server.new_vhost()
    spec = spec_of(shop("rabbitmq", url).folder)
    numbers = {}
    with kombu.Connection(url) as connection:
        for each in spec["triggers"]:
            with connection.channel() as channel:
                found = channel.queue_declare(queue=each["metadata"]["queueName"], passive=True)
                numbers[each["name"]] = found.message_count
    assert summed(spec, numbers) == 5


def test_the_plans_own_endpoint_answers_as_it_is_asked(shop, redis_server):
    redis_server.flush()
    made = shop("metrics-api", redis_server.url)
    [trigger] = spec_of(made.folder)["triggers"]
    asked = trigger["metadata"]
    path = "/scale/" + asked["url"].rpartition("/scale/")[2]
    made.start_celeriac("metrics")

    def workers() -> float:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port_of(made.folder)}{path}", headers={"Authorization": "Bearer keda:s3cret"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return float(json.loads(answer.read())[asked["valueLocation"]])
        except OSError:  # it does not listen yet, or has no number yet
            return -1.0

    assert asked["authMode"] == "bearer"
    eventually(lambda: workers() == 2.5, within=60)


def test_the_query_of_prometheus_counts_what_waits_and_what_runs(shop, redis_server, prometheus):
    redis_server.flush()
    made = shop("prometheus", redis_server.url, 'prometheus = "http://p.example:9090"')
    [trigger] = spec_of(made.folder)["triggers"]
    # A cluster's discovery puts the namespace there.
    query = trigger["metadata"]["query"].replace('namespace="shop",', "")
    made.start_celeriac("metrics")
    server = prometheus(f"127.0.0.1:{port_of(made.folder)}", "keda:s3cret")
    eventually(lambda: server.value(query) == 5.0, within=60)
    made.start_celeriac("worker", "web").wait_for_log("ready.", within=60)
    # Two run, and what they hold is no more waiting: the sum is what it was.
    busy = "sum(celeriac_worker_busy_slots)"
    eventually(lambda: server.value(busy) == 2.0 and server.value(query) == 5.0, within=60)
    (made.folder / "go on").touch()
    eventually(lambda: server.value(query) == 0.0, within=60)
