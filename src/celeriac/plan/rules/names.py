"""Names: what queues, pools, schedules, task globs and modules may be called."""

from __future__ import annotations

import re

from celeriac.plan.model import Plan
from celeriac.plan.report import PlanPath, Report, clipped

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_GLOB = re.compile(r"[\w.*?\[\]!:/@-]{1,200}\Z")
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*\Z")
_APP = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:[^\W\d]\w*(\.[^\W\d]\w*)*)?\Z")


def judge(plan: Plan, report: Report) -> None:
    """Report names that a broker, a command line or a host name could not carry."""
    _judge_name(report, ("name",), "plan", plan.name)
    for section in ("queues", "pools", "schedules"):
        for name in getattr(plan, section):
            _judge_name(report, (section, name), section.removesuffix("s"), name)
    _judge_name(report, ("letters", "queue"), "queue", plan.letters.queue)
    for glob in plan.tasks:
        if not _GLOB.match(glob):
            report.add(
                ("tasks", glob),
                "PLAN-018",
                f'"{clipped(glob)}" is neither a task name nor a glob over task names.',
                fix='write a name like "shop.tasks.send", with *, ? or [ab] for what may differ',
            )
    _judge_modules(plan, report)


def _judge_name(report: Report, path: PlanPath, what: str, name: str) -> None:
    if not _NAME.match(name):
        report.add(
            path,
            "PLAN-017",
            f'"{clipped(name)}" is no name for a {what}.',
            fix="use up to 100 letters, digits, dots, dashes and underscores, a letter or digit first",
        )


def _judge_modules(plan: Plan, report: Report) -> None:
    _judge_app(report, ("app",), plan.app)
    for name, pool in plan.pools.items():
        _judge_app(report, ("pools", name, "app"), pool.app)
    for at, module in enumerate(plan.imports):
        if not _MODULE.match(module):
            report.add(
                ("imports", at),
                "PLAN-019",
                f'"{clipped(module)}" is no dotted path of a module.',
                fix='write it like "shop.tasks"',
            )


def _judge_app(report: Report, path: PlanPath, app: str | None) -> None:
    if app is not None and not _APP.match(app):
        report.add(
            path,
            "PLAN-019",
            f'"{clipped(app)}" is no dotted path of an app.',
            fix='write it like "proj.celery:app"',
        )
