"""A whole plan on a Redis that speaks TLS alone, knows its users, and asks both sides for certificates."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from celeriac.app import create_app
from celeriac.plan import check, read_plan
from servers.project import Project
from servers.redis_tls_server import TlsRedisServer, running_tls_redis

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
broker = "${{BROKER}}"
results = "${{RESULTS}}"

[queues.default]

[pools.web]
queues = ["default"]
executor = "{executor}"

[tasks."shop.call"]
breaker = {{ name = "smtp", failures = 1 }}
"""

TASKS = """\
from celery import shared_task

@shared_task(name="shop.add")
def add(x, y):
    return x + y

@shared_task(name="shop.call")
def call():
    raise OSError("the mail server is away")
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TlsRedisServer]:
    folder = tmp_path / "server"
    folder.mkdir()
    try:
        with running_tls_redis(folder, asks_for_certificates=True) as running:
            yield running
    except FileNotFoundError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))


def test_broker_results_and_coordination_go_by_tls_with_certificates_of_both_sides(
    server: TlsRedisServer,
    project: Callable[..., Project],
    eventually: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environ = {"BROKER": server.url(0), "RESULTS": server.url(1)}
    shop = project(plan=PLAN.format(executor="threads"), tasks=TASKS, environ=environ)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    plan = read_plan(shop.folder / "celeriac.toml")
    assert check(plan) == []
    assert plan.coordination == plan.broker, "what processes agree by is that server too"
    up = shop.start_celeriac("worker", "web")
    up.wait_for_log("ready.")
    app = create_app(plan)
    app.conf.include = []
    assert app.send_task("shop.add", (2, 3)).get(timeout=60) == 5
    app.send_task("shop.call")
    eventually(lambda: "smtp" in shop.celeriac("breakers").stdout, within=60)
    eventually(lambda: "open" in shop.celeriac("breakers").stdout, within=60)
    status = shop.celeriac("status")
    assert "web-1@" in status.stdout, status.stdout + status.stderr
    queues = shop.celeriac("queues")
    assert queues.returncode == 0, queues.stdout + queues.stderr
    assert "default" in queues.stdout
    for said in (up.log, status.stdout, queues.stdout):
        assert "s3cret" not in said
    app.close()


@pytest.mark.parametrize("wrong", ["the authority", "no certificate of ours"])
def test_what_tls_refuses_is_one_clear_error(
    wrong: str, server: TlsRedisServer, project: Callable[..., Project], tmp_path: Path
) -> None:
    url = server.url(0)
    if wrong == "the authority":
        url = url.partition("?")[0] + "?ssl_cert_reqs=required"
    else:
        url = url.partition("&ssl_certfile")[0]
    shop = project(plan=PLAN.format(executor="threads"), tasks=TASKS, environ={"BROKER": url, "RESULTS": url})
    said = shop.celeriac("queues")
    assert said.returncode != 0
    told = said.stdout + said.stderr
    # A server that hangs up before its alert was read leaves only that TLS failed.
    assert "certificate" in told.lower() or "_ssl" in told, told
    assert "Traceback" not in told
    assert "s3cret" not in told
