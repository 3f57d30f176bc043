"""Redelivery: tasks and delays end before the broker hands their message to another worker.

The embedded broker and Redis lease by heartbeat and have no such time. RabbitMQ closes the channel after its consumer
timeout; a delayed message counts too, for it waits unacknowledged in a worker.
"""

from __future__ import annotations

from datetime import timedelta

from celeriac.plan.model import Plan
from celeriac.plan.report import PlanPath, Report
from celeriac.plan.rules.addresses import scheme_of
from celeriac.units import say_duration

#: scheme -> the broker, the setting, and what it is unless somebody set it (RabbitMQ since 3.8.17)
_HANDED_ON_AFTER = {
    **dict.fromkeys(("amqp", "amqps", "pyamqp"), ("RabbitMQ", "consumer_timeout", timedelta(minutes=30))),
}


def judge(plan: Plan, report: Report) -> None:
    """Warn of what lasts longer than the broker waits for its end."""
    kinds = {_HANDED_ON_AFTER.get(scheme_of(url)) for url in plan.candidates} - {None}
    if not kinds:
        return
    # Of several brokers to choose from, the least patient.
    broker, setting, patience = min((kind for kind in kinds if kind), key=lambda kind: kind[2])
    for path, span, what in _spans(plan):
        if span > patience:
            report.add(
                path,
                "PLAN-046",
                f"{what} {say_duration(span)}, but {broker} waits {say_duration(patience)} by default: "
                "the task would run twice.",
                fix=f"write less than {say_duration(patience)}, raise the broker's {setting}, "
                "or use a redis or sqlite broker",
                severity="warning",
                needs=[("broker",)],
            )


def _spans(plan: Plan) -> list[tuple[PlanPath, timedelta, str]]:
    spans: list[tuple[PlanPath, timedelta, str]] = []
    for name, pool in plan.pools.items():
        if pool.time_limit:
            spans.append((("pools", name, "time_limit"), pool.time_limit, "a task may run"))
    for glob, policy in plan.tasks.items():
        if policy.time_limit:
            spans.append((("tasks", glob, "time_limit"), policy.time_limit, "a task may run"))
        if policy.retry and policy.retry.limit != 0:
            spans.append((("tasks", glob, "retry", "cap"), policy.retry.cap, "a retry may wait"))
    return spans
