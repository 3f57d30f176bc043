"""A plan with several brokers: one is chosen at start, and all use it."""

import json

import pytest

from servers.redis_server import free_port

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
broker = ["redis://127.0.0.1:{port}/{database}", "sqlite:///.celeriac/broker.db"]

[queues.default]

[pools.web]
queues = ["default"]
executor = "solo"
"""


@pytest.fixture
def fallen_back(project):
    return project(plan=PLAN.format(port=free_port(), database=0))


def test_up_falls_back_says_why_and_everybody_uses_the_same(fallen_back):
    shop = fallen_back
    up = shop.start_celeriac("up")
    up.wait_for_log("ready: 2 running")
    assert "FALLS BACK to the broker sqlite:///.celeriac/broker.db" in up.log
    assert "Connection refused" in up.log
    sent = shop.celeriac("send", "shop.add", "2", "3", "--wait", "20")
    assert (sent.returncode, sent.stdout, sent.stderr) == (0, "5\n", ""), (
        "a sender follows, and has no need to look"
    )
    status = json.loads(shop.celeriac("status", "--json").stdout)
    assert status["broker"]["url"] == "sqlite:///.celeriac/broker.db"
    assert "cannot be reached" in status["broker"]["because"]
    assert [it["name"] for it in status["up"]["processes"]] == ["web-1", "recorder"]
    shop.celeriac("send", "shop.fail")
    assert up.stop(within=60) == 0
    dead = shop.celeriac("dead", "list", "--json", within=60)
    assert [it["task"] for it in json.loads(dead.stdout)] == ["shop.fail"]


def test_an_app_in_python_follows_the_running_workers(project, redis_server, eventually):
    redis_server.flush()
    shop = project(plan=PLAN.format(port=redis_server.port, database=3))
    worker = shop.start_celeriac("worker", "web")
    worker.wait_for_log("ready")
    # The list in another order: left to itself, this sender would choose the file.
    plan = shop.folder / "celeriac.toml"
    first, _, second = plan.read_text().partition("[queues")
    words = first.replace('"redis', '"sqlite:///.celeriac/broker.db", "redis').replace(
        ', "sqlite:///.celeriac/broker.db"]', "]"
    )
    shop.write("other.toml", f"{words}[queues{second}")
    sender = "import celeriac; print(celeriac.create_app('other.toml').send_task('shop.add', (2, 3)).get(timeout=10))"
    sent = shop.run(str(worker.project.environ["PATH"].split(":")[0]) + "/python", "-c", sender)
    assert sent.stdout == "5\n", sent.stderr + worker.log


def test_plan_and_check_say_which_broker_it_is(fallen_back):
    shown = json.loads(fallen_back.celeriac("plan", "--json").stdout)
    assert shown["broker"] == "sqlite:///.celeriac/broker.db"
    assert shown["because"].startswith("2 of 2")
    assert len(shown["brokers"]) == 2
    checked = fallen_back.celeriac("check")
    assert checked.returncode == 0, checked.stderr
    assert "broker: sqlite:///.celeriac/broker.db (2 of 2" in checked.stdout


def test_where_none_can_be_reached_nothing_starts_and_plan_still_shows(project):
    shop = project(
        plan=PLAN.format(port=free_port(), database=0).replace(
            "sqlite:///.celeriac/broker.db", "redis://127.0.0.1:1"
        )
    )
    ended = shop.celeriac("up")
    assert ended.returncode == 1
    assert "APP-030" in ended.stderr
    shown = shop.celeriac("plan")
    assert shown.returncode == 0
    assert "none of the 2 brokers can be used" in shown.stdout
