"""Observing: metrics have an address, traces an endpoint, and each log file a path of its own."""

from __future__ import annotations

from celeriac.plan.flowers import host_and_port
from celeriac.plan.model import Plan
from celeriac.plan.report import Report, clipped


def judge(plan: Plan, report: Report) -> None:
    """Report metrics and traces that could not start, and log files that would be written in two ways."""
    if plan.metrics is not None and host_and_port(plan.metrics.address) is None:
        report.add(
            ("metrics", "address"),
            "PLAN-090",
            f'metrics cannot be served at "{clipped(plan.metrics.address)}", which is no host and port.',
            fix='write it like "127.0.0.1:9540"',
        )
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
