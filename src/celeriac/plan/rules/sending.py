"""Sending: what is to be kept on disk has a place there."""

from __future__ import annotations

from celeriac.plan.model import Plan
from celeriac.plan.report import Report, clipped


def judge(plan: Plan, report: Report) -> None:
    """Report queues that spool without a spool, and a spool at no place."""
    spool = plan.sending.spool
    for name, queue in plan.queues.items():
        if queue.when_full == "spool" and spool is None:
            report.add(
                ("queues", name, "when_full"),
                "PLAN-150",
                f'queue "{clipped(name)}" keeps tasks in the spool when it is full, and the plan has none.',
                fix='add [sending.spool], or write when_full = "block" or "reject"',
                needs=[("sending", "spool")],
            )
    if spool is not None and (not spool.path or spool.path.endswith("/")):
        report.add(
            ("sending", "spool", "path"),
            "PLAN-151",
            f'"{clipped(spool.path)}" is not the path of a file.',
            fix="write a path like .celeriac/spool.db",
        )
