"""Settings: of Celery's own, only those that have no key in a plan."""

from __future__ import annotations

from celeriac.plan.model import Plan
from celeriac.plan.report import Report

#: settings that a plan says by keys of its own
SAID_BY: dict[str, str] = {
    "broker_url": "[celeriac].broker",
    "broker_read_url": "[celeriac].broker",
    "broker_write_url": "[celeriac].broker",
    "result_backend": "[celeriac].results",
    "include": "[celeriac].imports",
    "imports": "[celeriac].imports",
    "task_queues": "[queues]",
    "task_routes": "the policies under [tasks]",
    "beat_schedule": "[schedules]",
}


def judge(plan: Plan, report: Report) -> None:
    """Report settings that the plan says elsewhere, and would say twice."""
    for name in plan.celery:
        if name in SAID_BY:
            report.add(
                ("celery", name),
                "PLAN-120",
                f"a plan says {name} by {SAID_BY[name]}.",
                fix=f"write it there, and remove {name} here",
            )
