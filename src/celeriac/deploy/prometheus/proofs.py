"""Proofs: promtool's tests of a plan's alerts, each seen to fire and seen to keep quiet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from celeriac.deploy.prometheus.rules import Alert, Group, Proof, labels_of, written
from celeriac.plan import Plan


def document(plan: Plan, groups: tuple[Group, ...], rules: str) -> dict[str, Any]:
    """Give the tests as `promtool test rules` reads them.

    rules: the file of the rules, beside this one.
    """
    return {
        "rule_files": [rules],
        "evaluation_interval": "1m",
        "tests": [test for group in groups for alert in group.alerts for test in _tests(plan, alert)],
    }


def _tests(plan: Plan, alert: Alert) -> Iterator[dict[str, Any]]:
    for number, proof in enumerate(alert.proofs, 1):
        told_apart = {**alert.labels, **proof.labels}
        of = "".join(f", {key} {value}" for key, value in told_apart.items() if key != "job")
        for fires in (True, False):
            yield {
                "name": f"{alert.title}{of} {'fires' if fires else 'keeps quiet'} ({number})",
                "interval": "1m",
                "input_series": [
                    {"series": name, "values": values}
                    for name, values in (proof.fires if fires else proof.quiet).items()
                ],
                "promql_expr_test": [
                    {
                        "expr": _firing(alert),
                        "eval_time": f"{proof.minutes}m",
                        "exp_samples": [{"labels": _expected(plan, alert, proof), "value": 1}]
                        if fires
                        else [],
                    }
                ],
            }


def _firing(alert: Alert) -> str:
    labels = {"alertname": alert.title, "alertstate": "firing", **alert.labels}
    return f"ALERTS{{{written(labels)}}}"


def _expected(plan: Plan, alert: Alert, proof: Proof) -> str:
    labels = {
        "alertname": alert.title,
        "alertstate": "firing",
        "job": plan.name,
        **proof.labels,
        **labels_of(plan, alert),
    }
    return f"ALERTS{{{written(labels)}}}"
