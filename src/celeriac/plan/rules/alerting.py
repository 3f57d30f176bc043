"""Alerting: labels an alert can carry, and an address its page can be found at."""

from __future__ import annotations

import re

from celeriac.plan.model import Plan
from celeriac.plan.report import Report, clipped

#: Source: prometheus.io, "Data model"; those that begin with __ are Prometheus's own
_LABEL = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]*\Z")
#: what rules themselves say of an alert
OWN_LABELS = (
    "alertname", "instance", "job", "pool", "queue", "reason", "schedule", "severity", "state", "task", "worker",
)  # fmt: skip
_ADDRESS = re.compile(r"(https?://)?[^\s:{}]+(:\d+)?[^\s{}]*\Z")


def judge(plan: Plan, report: Report) -> None:
    """Report labels that Prometheus would refuse, or that would hide what an alert says."""
    for name in plan.alerts.labels:
        if not _LABEL.match(name):
            report.add(
                ("alerts", "labels", name),
                "PLAN-130",
                f'"{clipped(name)}" is no name for a label.',
                fix="use letters, digits and underscores, no digit first",
            )
        elif name in OWN_LABELS:
            report.add(
                ("alerts", "labels", name),
                "PLAN-131",
                f'alerts have a label "{name}" of their own.',
                fix="give it another name",
            )
    if not _ADDRESS.match(plan.alerts.runbooks):
        report.add(
            ("alerts", "runbooks"),
            "PLAN-132",
            f'"{clipped(plan.alerts.runbooks)}" is not where pages are.',
            fix='write a URL like "https://wiki.example/runbooks", or a folder',
        )
