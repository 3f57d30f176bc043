"""What is rendered for Prometheus, held against promtool: every alert fires when it should, and only then."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from celeriac.deploy.prometheus import render
from celeriac.deploy.targets import read_plan_as_written
from celeriac.errors import DeployError
from servers.programs import needed

ASSISTANT = (Path(__file__).resolve().parents[1] / "unit" / "deploy" / "assistant.toml").read_text()
#: nothing has a bound of its own, and nothing is scheduled
BARE = """\
[celeriac]
name = "bare"
[queues.a]
[pools.p]
queues = ["a"]
[metrics]
"""
#: names that are regular expressions, every bound the plan has, and alerts nobody wants
FULL = """\
[celeriac]
name = "full.er"
[queues."a.b"]
max_wait = "500ms"
max_length = 1000
[queues.c]
max_wait = "7d"
max_length = 10
when_full = "reject"
[pools."p.q"]
queues = ["a.b", "c"]
replicas = { min = 3, max = 9 }
[pools.none]
queues = ["c"]
replicas = 0
[beat]
replicas = 1
deadline = "2h"
[metrics]
auth = "${SCRAPER:-}"
[alerts]
failures = 0
letters = 100
oldest_age = "3d"
saturated = "45s"
runbooks = "https://wiki.example/runbooks/"
labels = { team = "payments" }
"""
PLANS = {
    "assistant": ASSISTANT,
    "bare": BARE,
    "full": FULL,
    "tolerant": BARE + "[alerts]\nfailures = 100\nsaturated = '2h'\n",
}


@pytest.fixture(params=PLANS)
def rendered(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the rendered files of a plan."""
    monkeypatch.setenv("SENTRY_DSN", "https://key@sentry.example/1")
    return written(PLANS[request.param], tmp_path)


def written(plan: str, folder: Path) -> Path:
    (folder / "celeriac.toml").write_text(plan)
    for path, text in render(read_plan_as_written(folder / "celeriac.toml")).items():
        (folder / path).write_text(text)
    return folder


def promtool(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the real promtool."""
    command = [needed("promtool"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def rules(folder: Path) -> list[dict[str, object]]:
    """Every rule as Prometheus reads it."""
    groups = YAML(typ="safe", pure=True).load((folder / "rules.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_promtool_takes_the_rules_and_every_alert_fires_and_keeps_quiet(rendered: Path) -> None:
    checked = promtool(rendered, "check", "rules", "rules.yaml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = promtool(rendered, "test", "rules", "rules-test.yaml")
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_prometheus_takes_the_scrape_configuration(rendered: Path) -> None:
    (rendered / "password").write_text("x")
    text = re.sub(
        "password_file: .*", f"password_file: {rendered / 'password'}", (rendered / "scrape.yaml").read_text()
    )
    (rendered / "prometheus.yml").write_text(f'{text}rule_files: ["rules.yaml"]\n')
    checked = promtool(rendered, "check", "config", "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_says_what_it_means_and_where_to_read_on(rendered: Path) -> None:
    for rule in rules(rendered):
        if "alert" in rule:
            assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}  # type: ignore[call-overload]
            assert rule["labels"]["severity"] in {"warning", "critical"}  # type: ignore[index]


def test_the_tests_of_promtool_fail_for_an_alert_that_never_fires_or_always_does(tmp_path: Path) -> None:
    folder = written(FULL, tmp_path)
    tests = YAML(typ="safe", pure=True).load((folder / "rules-test.yaml").read_text())["tests"]
    fires = {test["name"] for test in tests if test["promql_expr_test"][0]["exp_samples"]}
    alerts = {rule["alert"] for rule in rules(folder) if "alert" in rule}
    # Every alert has both kinds.
    assert {name.partition(",")[0].partition(" ")[0] for name in fires} == alerts
    assert len(fires) == len(tests) / 2
    text = (folder / "rules.yaml").read_text()
    # One that always fires has none of the labels that are expected of it either, but for the one that brings its own.
    for expression, failing in (("vector(0) > 1", len(fires)), ("vector(1)", len(tests) - 1)):
        broken = re.sub(
            r"(- alert: .*\n(?: +#.*\n)? +expr: )\|\n(?:          .*\n)+", rf"\g<1>{expression}\n", text
        )
        (folder / "rules.yaml").write_text(broken)
        tested = promtool(folder, "test", "rules", "rules-test.yaml")
        assert tested.returncode == 1
        assert (tested.stdout + tested.stderr).count("  exp: ") == failing


def test_a_plan_without_metrics_is_told_what_to_add(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=r"add the table \[metrics\]") as refused:
        written(BARE.replace("[metrics]\n", ""), tmp_path)
    assert refused.value.code == "DEPLOY-030"


def test_what_the_plan_says_of_alerts_is_in_them(tmp_path: Path) -> None:
    alerts = {str(rule.get("alert")): rule for rule in rules(written(FULL, tmp_path))}
    failing = alerts["CeleriacTasksFail"]
    assert failing["labels"] == {"team": "payments", "severity": "warning"}
    assert "ratio_rate10m" in str(failing["expr"])
    assert "> 0\n" in str(failing["expr"])
    assert "> 100" in str(alerts["CeleriacLettersWait"]["expr"])
    assert "> 7200" in str(alerts["CeleriacScheduleOverdue"]["expr"])
    assert "> 259200" in str(alerts["CeleriacQueueStuck"]["expr"])
    assert alerts["CeleriacPoolSaturated"]["for"] == "45s"
    # One slash, however the plan ends its address.
    annotations = failing["annotations"]
    assert annotations["runbook_url"] == "https://wiki.example/runbooks/tasks-fail.md"  # type: ignore[index]


def test_who_scrapes_says_who_it_is_where_the_plan_may_ask(tmp_path: Path) -> None:
    assert "password_file:" in (written(FULL, tmp_path) / "scrape.yaml").read_text()
    assert "basicAuth:" in (tmp_path / "operator.yaml").read_text()
    assert "password_file:" not in (written(BARE, tmp_path) / "scrape.yaml").read_text()
    assert "basicAuth:" not in (tmp_path / "operator.yaml").read_text()
