"""Observing: metrics have an address nobody reaches unawares, traces an endpoint, and each log file its own path."""

from __future__ import annotations

from celeriac.plan.flowers import host_and_port
from celeriac.plan.model import Plan
from celeriac.plan.report import Report, clipped
from celeriac.plan.rules.listening import is_open, judge_auth
from celeriac.plan.tables.observing import Metrics


def judge(plan: Plan, report: Report) -> None:
    """Report metrics and traces that could not start, and log files that would be written in two ways."""
    if plan.metrics is not None:
        _judge_metrics(plan.metrics, report)
    endpoint = plan.tracing.endpoint if plan.tracing is not None else ""
    if endpoint and not endpoint.startswith(("http://", "https://")):
        report.add(
            ("tracing", "endpoint"),
            "PLAN-091",
            f'spans cannot be sent to "{clipped(endpoint)}".',
            fix='write the URL of a collector that takes OTLP over HTTP, like "http://127.0.0.1:4318"',
        )
    paths: dict[str, str] = {}
    for name, file in plan.logs.files.items() if plan.logs is not None else ():
        other = paths.setdefault(file.path, name)
        if other != name:
            report.add(
                ("logs", "files", name, "path"),
                "PLAN-092",
                f'log files "{clipped(other)}" and "{clipped(name)}" are the same file: lines would be there twice.',
                fix="give each a path of its own, or join the two",
            )


def _judge_metrics(metrics: Metrics, report: Report) -> None:
    if host_and_port(metrics.address) is None:
        report.add(
            ("metrics", "address"),
            "PLAN-090",
            f'metrics cannot be served at "{clipped(metrics.address)}", which is no host and port.',
            fix='write it like "127.0.0.1:9540"',
        )
    judge_auth(report, ("metrics", "auth"), metrics.auth)
    if is_open(metrics.address, metrics.auth):
        report.add(
            ("metrics", "address"),
            "PLAN-095",
            f"whoever reaches {metrics.address} reads the names of tasks, queues and workers, and their numbers.",
            fix='write auth = "${METRICS_BASIC_AUTH:-}" and set it, or listen at 127.0.0.1',
            severity="warning",
            needs=[("metrics", "auth")],
        )
