"""Breakers: each guards one thing in one way, and can be shared by all who call it."""

from __future__ import annotations

import re

from celeriac.plan.model import Plan
from celeriac.plan.report import PlanPath, Report, clipped
from celeriac.plan.rules.addresses import scheme_of
from celeriac.plan.tables.tasks import Breaker, Policy
from celeriac.units import say_duration

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+\Z")


def judge(plan: Plan, report: Report) -> None:
    """Report breakers that contradict each other, or that not all workers would share."""
    first: dict[str, tuple[str, Breaker]] = {}
    for glob, policy in plan.tasks.items():
        breaker = policy.breaker
        if breaker is None:
            continue
        path: PlanPath = ("tasks", glob, "breaker")
        _judge_breaker(report, path, breaker)
        _judge_expiry(report, glob, policy, breaker)
        known = first.setdefault(breaker.name, (glob, breaker))
        if known[1] != breaker:
            report.add(
                path,
                "PLAN-070",
                f'the breaker "{clipped(breaker.name)}" is described otherwise for "{clipped(known[0])}".',
                fix="write the same for both, or give them breakers of different names",
                needs=[("tasks", known[0], "breaker")],
            )
    if first and coordinates_on_one_host(plan):
        report.add(
            ("coordination",),
            "PLAN-073",
            "breakers are shared through a SQLite file: workers on other machines than this one have breakers of their "
            "own.",
            fix="write coordination, a Redis or Postgres that all workers reach; or leave it if there is one machine",
            severity="warning",
            needs=[("broker",), ("state",)],
        )


def coordinates_on_one_host(plan: Plan) -> bool:
    """Say whether processes on several hosts could share the broker, but not what they agree by."""
    brokers = {scheme_of(url) for url in plan.candidates}
    return scheme_of(plan.coordination) == "sqlite" and not brokers <= {"sqlite", "memory", "filesystem"}


def _judge_breaker(report: Report, path: PlanPath, breaker: Breaker) -> None:
    if not _NAME.match(breaker.name):
        report.add(
            (*path, "name"),
            "PLAN-074",
            f'"{clipped(breaker.name)}" is no name for a breaker.',
            fix="use up to 100 letters, digits, dots, dashes and underscores, a letter or digit first",
        )
    if not breaker.on:
        report.add(
            (*path, "on"),
            "PLAN-071",
            "no exception is named, so nothing would open the breaker.",
            fix="name exceptions, or remove `on` to count every one",
        )
    for at, exception in enumerate(breaker.on):
        if not _DOTTED.match(exception):
            report.add(
                (*path, "on", at),
                "PLAN-071",
                f'"{clipped(exception)}" is no dotted name of an exception.',
                fix='write it with its module, like "smtplib.SMTPException"',
            )


def _judge_expiry(report: Report, glob: str, policy: Policy, breaker: Breaker) -> None:
    if policy.expires is not None and policy.expires <= breaker.cool_down:
        report.add(
            ("tasks", glob, "expires"),
            "PLAN-072",
            f"these tasks wait {say_duration(breaker.cool_down)} while their breaker is open, but expire after "
            f"{say_duration(policy.expires)}: none that waits would run.",
            fix="write a longer expires, or a shorter cool_down",
            severity="warning",
            needs=[("tasks", glob, "breaker")],
        )
