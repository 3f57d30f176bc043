"""The real Flower over HTTP, beside real workers."""

from __future__ import annotations

import base64
import json
import re
import urllib.error
import urllib.request

import pytest

from servers.redis_server import free_port

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
broker = "{broker}"

[queues.default]
[queues.heavy]

[pools.web]
queues = ["default"]
executor = "solo"

[pools.batch]
queues = ["heavy"]
executor = "solo"

[tasks."shop.fail"]
queue = "heavy"

[flower]
address = "127.0.0.1:{port}"
auth = "${{SHOP_FLOWER:-}}"
url_prefix = "ops/flower"

[flowers.heavy]
address = "127.0.0.1:{heavy_port}"
pools = ["batch"]
"""


class Site:
    """A Flower, as a browser reaches it."""

    def __init__(self, port: int, prefix: str = "", auth: str = "") -> None:
        self.root = f"http://127.0.0.1:{port}{prefix}"
        self.headers = {"Authorization": "Basic " + base64.b64encode(auth.encode()).decode()} if auth else {}

    def get(self, path: str) -> str:
        request = urllib.request.Request(self.root + path, headers=self.headers)
        return urllib.request.urlopen(request, timeout=10).read().decode()

    def status(self, path: str) -> int:
        try:
            self.get(path)
        except urllib.error.HTTPError as refused:
            return refused.code
        return 200

    def workers(self) -> set[str]:
        found = json.loads(self.get("/api/workers?refresh=1"))
        return {name.partition("@")[0] for name, told in found.items() if told.get("active_queues")}

    def tasks(self) -> dict[str, str]:
        """Task id → state."""
        return {uuid: task["state"] for uuid, task in json.loads(self.get("/api/tasks")).items()}


@pytest.fixture(params=["sqlite", "redis", "rabbitmq"])
def broker(request) -> str:
    if request.param == "sqlite":
        return "sqlite:///.celeriac/broker.db"
    if request.param == "rabbitmq":
        return request.getfixturevalue("rabbitmq_server").new_vhost()
    server = request.getfixturevalue("redis_server")
    server.flush()
    return server.database(6)


def test_up_runs_flowers_that_show_workers_and_tasks_behind_a_password(project, broker, eventually):
    port, heavy_port = free_port(), free_port()
    # Flower's API without auth is closed, unless asked for like this.
    shop = project(
        plan=PLAN.format(broker=broker, port=port, heavy_port=heavy_port),
        environ={"SHOP_FLOWER": "ada:secret", "FLOWER_UNAUTHENTICATED_API": "true"},
    )
    up = shop.start_celeriac("up")
    up.wait_for_log("ready: 5 running", within=60)
    assert "secret" not in up.log
    assert not any("secret" in " ".join(process.cmdline()) for process in up.family())

    site, stranger = Site(port, "/ops/flower", "ada:secret"), Site(port, "/ops/flower")
    assert (stranger.status("/workers"), Site(port, "/ops/flower", "ada:guess").status("/workers")) == (
        401,
        401,
    )
    assert site.status("/workers") == 200
    assert Site(port, "", "ada:secret").status("/workers") == 404, "it is under its prefix only"
    eventually(lambda: site.workers() == {"web-1", "batch-1"}, within=60, every=0.3)

    heavy = Site(heavy_port)
    eventually(lambda: heavy.workers() == {"batch-1"}, within=60, every=0.3)

    def send(task: str, *arguments: str) -> str:
        return shop.celeriac("send", task, *arguments).stdout.strip()

    # Workers send events once a Flower has asked them to.
    added = eventually(lambda: shown(site, send("shop.add", "2", "3"), "SUCCESS", eventually), within=60)
    failed = send("shop.fail")
    eventually(lambda: heavy.tasks().get(failed) == "FAILURE", within=60, every=0.2)
    eventually(lambda: site.tasks().get(failed) == "FAILURE", within=60, every=0.2)
    assert added not in heavy.tasks(), "that Flower shows its own pools alone"
    assert heavy.workers() == {"batch-1"}
    if broker.startswith("redis"):
        assert re.search(r"default\s*</td>\s*<td[^>]*>\s*0", site.get("/broker")), site.get("/broker")
    assert up.stop(within=60) == 0, up.log


HISTORY_PLAN = """\
[celeriac]
imports = ["shop_tasks"]
[queues.default]
[pools.web]
queues = ["default"]
executor = "solo"
[flower]
address = "127.0.0.1:{port}"
keep_history = true
"""


def test_a_flower_that_keeps_its_history_knows_old_tasks_after_a_restart(project, eventually):
    port = free_port()
    shop = project(plan=HISTORY_PLAN.format(port=port), environ={"FLOWER_UNAUTHENTICATED_API": "true"})
    up = shop.start_celeriac("up")
    up.wait_for_log("ready: 3 running", within=60)
    site = Site(port)
    eventually(lambda: site.workers() == {"web-1"}, within=60, every=0.3)

    def send() -> str:
        return shop.celeriac("send", "shop.add", "2", "3").stdout.strip()

    # Workers send events once Flower has asked them to.
    done = eventually(lambda: shown(site, send(), "SUCCESS", eventually), within=60)
    assert up.stop(within=60) == 0, up.log
    again = shop.start_celeriac("flower")
    again.wait_for_log("Flower listens", within=60)
    assert site.tasks()[done] == "SUCCESS"


RABBITMQ_PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
broker = "{broker}"

[queues.default]
[pools.web]
queues = ["default"]
executor = "solo"

[flower]
address = "127.0.0.1:{port}"
auth = "${{SHOP_FLOWER:-}}"
url_prefix = "flower"
broker_api = "${{SHOP_BROKER_API:-}}"
"""
HOLDING_TASKS = """\
import time
from pathlib import Path
from celery import shared_task

@shared_task(name="shop.hold")
def hold():
    while not Path("go on").exists():
        time.sleep(0.02)
"""


def test_its_page_of_the_broker_shows_what_rabbitmq_counts(project, rabbitmq_server, eventually):
    port = free_port()
    shop = project(
        plan=RABBITMQ_PLAN.format(broker=rabbitmq_server.new_vhost(), port=port),
        tasks=HOLDING_TASKS,
        environ={"SHOP_FLOWER": "ada:secret", "SHOP_BROKER_API": rabbitmq_server.api},
    )
    up = shop.start_celeriac("up")
    up.wait_for_log("ready:", within=60)
    for _ in range(3):
        shop.celeriac("send", "shop.hold")
    site = Site(port, "/flower", "ada:secret")

    def row() -> list[str]:
        """What the page says of the queue: messages, unacked, ready, consumers."""
        page = site.get("/broker")
        assert 'id="default"' in page, page
        cells = re.findall(r"<td[^>]*>(.*?)</td>", page.partition('id="default"')[2].partition("</tr>")[0])
        return cells[1:5]

    # One runs and, since acks are late, is unacked.
    eventually(lambda: row() == ["3", "1", "2", "1"], within=60, every=0.3)
    (length,) = json.loads(site.get("/api/queues/length"))["active_queues"]
    assert (length["name"], length["messages"]) == ("default", 3)
    (shop.folder / "go on").touch()
    eventually(lambda: row() == ["0", "0", "0", "1"], within=60, every=0.3)
    assert Site(port, "/flower").status("/broker") == 401
    assert "guest" not in " ".join(" ".join(process.cmdline()) for process in up.family())
    assert up.stop(within=60) == 0, up.log


def shown(site: Site, task_id: str, state: str, eventually) -> str | None:
    try:
        eventually(lambda: site.tasks().get(task_id) == state, within=3, every=0.2)
    except AssertionError:
        return None
    return task_id


def test_an_empty_password_variable_locks_nobody_out(project, eventually):
    port = free_port()
    shop = project(
        plan=f"""\
[celeriac]
imports = ["shop_tasks"]
[flower]
address = "127.0.0.1:{port}"
auth = "${{FLOWER_BASIC_AUTH:-}}"
""",
        environ={"FLOWER_BASIC_AUTH": ""},
    )
    shop.start_celeriac("flower").wait_for_log("Flower listens at", within=60)
    eventually(lambda: Site(port).status("/workers") == 200, within=60)
