"""Retries: delays, limits and expiry of a policy fit each other."""

from __future__ import annotations

import builtins
import re
from datetime import timedelta

from celeriac.plan.model import Plan
from celeriac.plan.report import Report, clipped
from celeriac.plan.tables.tasks import Policy, Retry
from celeriac.units import say_duration

_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+\Z")


def judge(plan: Plan, report: Report) -> None:
    """Report retries that could not happen as they are written."""
    for glob, policy in plan.tasks.items():
        if policy.retry is not None:
            _judge_retry(report, glob, policy.retry)
            _judge_expiry(report, glob, policy, policy.retry)


def longest_wait(retry: Retry) -> timedelta | None:
    """Add up the ceilings of all retries; None if they never end."""
    if retry.limit is None:
        return None
    total, ceiling = timedelta(), retry.backoff
    for done in range(retry.limit):
        if ceiling >= retry.cap or not ceiling:
            # From here on every ceiling is the same.
            rest = retry.limit - done
            seconds = total.total_seconds() + min(ceiling, retry.cap).total_seconds() * rest
            return timedelta(seconds=min(seconds, timedelta.max.total_seconds() / 2))
        total += ceiling
        ceiling *= 2
    return total


def _judge_retry(report: Report, glob: str, retry: Retry) -> None:
    path = ("tasks", glob, "retry")
    if retry.backoff > retry.cap:
        report.add(
            (*path, "backoff"),
            "PLAN-038",
            f"the first delay {say_duration(retry.backoff)} is longer than the cap {say_duration(retry.cap)}.",
            fix="write a shorter backoff or a longer cap",
            needs=[(*path, "cap")],
        )
    if not retry.on:
        report.add(
            (*path, "on"),
            "PLAN-039",
            "no exception is named, so nothing would be retried.",
            fix="name exceptions, or remove `on` to retry every one",
        )
    for at, exception in enumerate(retry.on):
        if not _DOTTED.match(exception) and not _is_builtin(exception):
            report.add(
                (*path, "on", at),
                "PLAN-039",
                f'"{clipped(exception)}" is neither an exception of Python itself nor a dotted name.',
                fix='write one of Python by its name, like "ValueError", any other with its module, like '
                '"smtplib.SMTPException"',
            )


def _is_builtin(name: str) -> bool:
    found = getattr(builtins, name, None)
    return isinstance(found, type) and issubclass(found, BaseException)


def _judge_expiry(report: Report, glob: str, policy: Policy, retry: Retry) -> None:
    longest = longest_wait(retry)
    if policy.expires is None or (longest is not None and longest <= policy.expires):
        return
    span = "go on for ever" if longest is None else f"may take {_about(longest)}"
    report.add(
        ("tasks", glob, "expires"),
        "PLAN-045",
        f"the retries {span}, but the message expires after {say_duration(policy.expires)}: later ones never run.",
        fix="write a longer expires, or fewer or quicker retries",
        severity="warning",
        needs=[("tasks", glob, "retry")],
    )


def _about(span: timedelta) -> str:
    seconds = span.total_seconds()
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"about {seconds / size:.0f}{unit}"
    return say_duration(span)
