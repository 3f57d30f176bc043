"""Every query of every dashboard and rule, asked of a real Prometheus that scrapes a real Celeriac, gives data."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from celeriac.deploy import grafana, prometheus
from celeriac.deploy.targets import read_plan_as_written
from celeriac.observe.metrics import names
from servers.project import Project
from servers.prometheus_server import PrometheusServer
from servers.redis_server import free_port

#: every second something of each kind happens: success, failure, retry, a drop, a slot killed, a task nobody knows
PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
[queues.default]
max_wait = "2s"
[queues.held]
[pools.web]
queues = ["default"]
concurrency = 2
[pools.slow]
queues = ["held"]
concurrency = 1
[tasks."shop.flaky"]
retry = {{ limit = 1, backoff = "5s", jitter = false }}
[schedules]
add = {{ task = "shop.add", every = "1s" }}
fail = {{ task = "shop.fail", every = "1s" }}
flaky = {{ task = "shop.flaky", every = "1s" }}
ignored = {{ task = "shop.ignored", every = "1s" }}
poison = {{ task = "shop.poison", every = "1h", catch_up = "last" }}
[letters]
after = 1
[metrics]
address = "127.0.0.1:{port}"
"""

TASKS = """\
import os, signal
from celery import shared_task
from celery.exceptions import Ignore

@shared_task(name="shop.add")
def add():
    return 1

@shared_task(name="shop.fail")
def fail():
    raise ValueError("no")

@shared_task(name="shop.flaky", bind=True)
def flaky(self):
    if not self.request.retries:
        raise OSError("not yet")

@shared_task(name="shop.ignored")
def ignored():
    raise Ignore()

@shared_task(name="shop.poison")
def poison():
    os.kill(os.getpid(), signal.SIGKILL)
"""

SEND = """\
from celeriac import create_app
app = create_app("celeriac.toml")
app.loader.import_default_modules()
app.send_task("shop.poison")
app.send_task("nobody.knows", queue="default")
"""

#: what Grafana fills in
FILLED_IN = {"$__rate_interval": "20s", "$__range": "1m", "$job": "shop", "$queue": ".*", "$task": ".*"}
#: told by no embedded broker, and asked for beside what it does tell
ELSEWHERE = names.BROKER_UNACKED.name
SELECTOR = re.compile(r"celeriac[a-z0-9_:]*\{[^}]*\}|up\{[^}]*\}")


def dashboards(files: dict[str, str]) -> dict[str, Any]:
    return {
        Path(path).stem: json.loads(text) for path, text in files.items() if path.startswith("dashboards/")
    }


def filled_in(expression: str, pools: str = "web|slow") -> str:
    for name, value in {**FILLED_IN, "$pool": pools}.items():
        expression = expression.replace(name, value)
    assert "$" not in expression.replace('"$1"', ""), expression
    return expression


def asked(boards: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every query, by where it stands."""
    for name, board in boards.items():
        for panel in board["panels"]:
            for target in panel["targets"]:
                yield f"{name}: {panel['title']} {target['refId']}", filled_in(target["expr"])
        for variable in board["templating"]["list"]:
            listed = re.match(r"label_values\((.+), (\w+)\)\Z", variable.get("definition", ""))
            if listed:
                yield (
                    f"{name}: variable {variable['name']}",
                    f"count by ({listed[2]}) ({filled_in(listed[1])})",
                )


@pytest.mark.timeout(240)
def test_every_query_of_dashboards_and_rules_gives_data(
    project: Callable[..., Project],
    prometheus_server: Callable[[Project, str], PrometheusServer],
    eventually: Callable[..., object],
) -> None:
    port = free_port()
    shop = project(plan=PLAN.format(port=port), tasks=TASKS)
    plan = read_plan_as_written(shop.folder / "celeriac.toml")
    rules = prometheus.render(plan)
    server = prometheus_server(shop, rules["scrape.yaml"])
    shop.start_celeriac("up").wait_for_log("ready:", within=90)
    sent = shop.run("python", "-c", SEND, within=60)
    assert sent.returncode == 0, sent.stderr

    queries = dict(asked(dashboards(grafana.render(plan))))
    # A query that falls back on a number gives one also where a metric's name is wrong: each selector must give data.
    for where, query in list(queries.items()):
        asked_for = [each for each in SELECTOR.findall(query) if not each.startswith(ELSEWHERE)]
        queries.update({f"{where}: {selector}": selector for selector in asked_for})
    for group in YAML(typ="safe", pure=True).load(rules["rules.yaml"])["groups"]:
        for rule in group["rules"]:
            name = rule.get("record") or rule["alert"]
            if "record" in rule:
                queries[f"rule {name}"] = rule["record"]
            # What an alert compares must be there, whether or not it fires.
            for selector in SELECTOR.findall(rule["expr"]):
                queries[f"rule {name}: {selector}"] = selector
    assert len(queries) > 200

    def answered() -> bool:
        for where, query in list(queries.items()):
            found = server.query(query)
            # A quantile of what did not run lately is no number.
            if any(not math.isnan(value) for _, value in found):
                del queries[where]
        assert not queries, "no data yet:\n" + "\n".join(
            f"{where}\n  {query}" for where, query in queries.items()
        )
        return True

    eventually(answered, within=120, every=1.0)
    loaded = server.rules()
    assert {rule["health"] for rule in loaded} == {"ok"}, [rule.get("lastError") for rule in loaded]
    # Shapes: one series for a number, one for each queue, task or pool where a legend says so.
    assert {found["pool"] for found, _ in server.query("celeriac:pool_slots:sum")} == {"web", "slow"}
    assert server.value('sum(celeriac:pool_slots:sum{pool="web"})') == 2
    late = 'celeriac:queue_max_wait_seconds:max{job="shop"}'
    assert server.query(late)[0][0]["queue"] == "default"
    for name, board in dashboards(grafana.render(plan)).items():
        for panel in board["panels"]:
            if panel["type"] == "stat":
                [target] = panel["targets"]
                assert len(server.query(filled_in(target["expr"]))) == 1, f"{name}: {panel['title']}"
            for target in panel["targets"]:
                for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                    found = server.query(filled_in(target["expr"]))
                    assert all(label in labels for labels, _ in found), f"{name}: {panel['title']} {label}"


@pytest.fixture
def prometheus_server(
    prometheus: Callable[..., PrometheusServer], tmp_path: Path
) -> Callable[[Project, str], PrometheusServer]:
    """Start a Prometheus on the files that are rendered, fast enough for a test."""

    def start(shop: Project, scrape: str) -> PrometheusServer:
        rendered = shop.celeriac("render", "prometheus", "--output", str(shop.folder / "monitoring"))
        assert rendered.returncode == 0, rendered.stderr
        fast = "global: { scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 1s }\n"
        return prometheus(
            "", config_text=f'{fast}{scrape}rule_files: ["{shop.folder / "monitoring" / "rules.yaml"}"]\n'
        )

    return start
