"""Rules of [alerts]: labels Prometheus takes, pages that can be found."""

from __future__ import annotations

import pytest

from celeriac.plan import Alerts, Plan, check, read_plan

TEXT = """\
[celeriac]
name = "shop"
[alerts]
failures = 10
oldest_age = "30m"
runbooks = "https://wiki.example/runbooks"
[alerts.labels]
team = "payments"
"""


def codes(alerts: Alerts) -> list[str]:
    return [problem.code for problem in check(Plan(alerts=alerts))]


def test_a_plan_says_when_somebody_is_woken(tmp_path):
    (tmp_path / "celeriac.toml").write_text(TEXT)
    alerts = read_plan(tmp_path / "celeriac.toml", environ={}).alerts
    assert (alerts.failures, alerts.labels) == (10, {"team": "payments"})


@pytest.mark.parametrize("name", ["1st", "a-b", "", "__x", "ü"])
def test_a_label_that_prometheus_refuses_is_refused(name):
    assert codes(Alerts(labels={name: "x"})) == ["PLAN-130"]


@pytest.mark.parametrize("name", ["severity", "queue", "alertname"])
def test_a_label_that_alerts_have_themselves_is_refused(name):
    assert codes(Alerts(labels={name: "x"})) == ["PLAN-131"]


@pytest.mark.parametrize("text", ["", "a b", "https://x/{{ $labels.x }}"])
def test_pages_are_somewhere(text):
    assert codes(Alerts(runbooks=text)) == ["PLAN-132"]


@pytest.mark.parametrize("text", ["docs/runbooks", "https://wiki.example:8443/a/b", "runbooks"])
def test_pages_are_at_an_address_or_in_a_folder(text):
    assert codes(Alerts(runbooks=text)) == []
