"""`celeriac queues` and `celeriac status` on brokers that offer no view: asked through kombu and remote control."""

from __future__ import annotations

import json

import pytest

from servers.waiting import eventually

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
broker = "${SHOP_BROKER}"

[queues.default]
max_wait = "30s"
[queues.slow]

[pools.web]
queues = ["default"]
executor = "solo"

[pools.away]
queues = ["slow"]
executor = "solo"
replicas = 0
"""


@pytest.fixture(params=["rabbitmq", "redis"])
def shop(request, project):
    if request.param == "rabbitmq":
        url = request.getfixturevalue("rabbitmq_server").new_vhost()
    else:
        server = request.getfixturevalue("redis_server")
        server.flush()
        url = server.url
    return project(plan=PLAN, environ={"SHOP_BROKER": url})


def test_queues_and_workers_of_a_network_broker_are_told(shop):
    for queue in ("slow", "slow", "default"):
        assert shop.celeriac("send", "shop.add", "1", "2", "--queue", queue).returncode == 0

    def sizes():
        listed = json.loads(shop.celeriac("queues", "--json").stdout)["queues"]
        return {each["name"]: (each["ready"], each["is_unread"]) for each in listed}

    counted = sizes()
    assert {name: ready for name, (ready, _) in counted.items()} == {
        "default": 1,
        "slow": 2,
        "celeriac.dead": 0,
    }
    shop.start_celeriac("worker", "web").wait_for_log("ready.", within=60)
    eventually(lambda: sizes()["default"][0] == 0, within=60)

    status = json.loads(shop.celeriac("status", "--json").stdout)
    assert status["broker_error"] is None
    [worker] = status["consumers"]
    assert worker["name"].startswith("web-1@")
    assert worker["queues"] == ["default"]
    assert worker["pid"] > 0
    said = shop.celeriac("status").stdout
    assert "web-1@" in said


def test_what_nobody_reads_is_said_where_the_broker_tells(rabbitmq_server, project):
    shop = project(plan=PLAN, environ={"SHOP_BROKER": rabbitmq_server.new_vhost()})
    assert shop.celeriac("send", "shop.add", "1", "2", "--queue", "slow").returncode == 0
    assert "nobody reads slow: 1 task waits there" in shop.celeriac("queues").stdout


def test_a_network_broker_that_is_away_is_one_clear_error(project):
    shop = project(plan=PLAN, environ={"SHOP_BROKER": "amqp://me:secret@127.0.0.1:1//"})
    refused = shop.celeriac("queues")
    assert refused.returncode == 1
    assert refused.stderr.startswith("BROKER-013")
    assert "secret" not in refused.stderr
