"""Rates: each can be read, and is shared by all who work on its tasks."""

from __future__ import annotations

from celeriac.plan.model import Plan
from celeriac.plan.report import Report, clipped
from celeriac.plan.rules.breakers import coordinates_on_one_host
from celeriac.units import rate


def judge(plan: Plan, report: Report) -> None:
    """Report rates that are none, or that not all workers would share."""
    limited = {glob: policy.rate for glob, policy in plan.tasks.items() if policy.rate is not None}
    for glob, text in limited.items():
        try:
            rate(text)
        except ValueError:
            report.add(
                ("tasks", glob, "rate"),
                "PLAN-160",
                f'"{clipped(text)}" is no rate.',
                known=["10/s", "100/m", "1000/h"],
                fix='write a whole number from 1 to 1000000, a slash and one of s, m, h, like "100/m"',
            )
    if limited and coordinates_on_one_host(plan):
        report.add(
            ("coordination",),
            "PLAN-161",
            "rates are shared through a SQLite file: workers on other machines than this one have rates of their own.",
            fix="write coordination, a Redis or Postgres that all workers reach; or leave it if there is one machine",
            severity="warning",
            needs=[("broker",), ("state",)],
        )
