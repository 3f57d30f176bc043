"""Checking: proving a plan as a whole, the same whether it came from a file or from Python."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from celeriac.errors import PlanError
from celeriac.plan.document import read_text
from celeriac.plan.kinds import fields_of
from celeriac.plan.lines import locate
from celeriac.plan.model import Plan
from celeriac.plan.places import FilePlaces, PythonPlaces, layout_of
from celeriac.plan.report import Places, PlanPath, Report, raise_errors
from celeriac.plan.rules import (
    addresses,
    alerting,
    breakers,
    deploying,
    flowers,
    letters,
    limits,
    names,
    observing,
    rates,
    redelivery,
    results,
    retries,
    routes,
    schedules,
    security,
    sending,
    settings,
    sqs,
)
from celeriac.plan.shape import Shape


def check(plan: Plan, task_names: Iterable[str] | None = None) -> list[PlanError]:
    """Give every problem of a plan, errors and warnings, in the order of its file.

    task_names: the tasks the app knows; None: globs and scheduled tasks are not held against them.
    """
    report = Report(_places_of(plan))
    values = {name: getattr(plan, name) for name in fields_of(Plan)}
    if plan.brokers:
        values["broker"] = plan.brokers
    fields = Shape(report, typed=True).plan(values)
    # What does not have its type is left out here, so that the rules read only typed values.
    typed = Plan(**fields, folder=plan.folder, source=plan.source, environment=plan.environment)
    report_contradictions(typed, report, None if task_names is None else frozenset(task_names))
    return report.problems()


def verify(plan: Plan, task_names: Iterable[str] | None = None) -> Plan:
    """Give the plan back if it holds together.

    Raises: PlanError with every error; warnings stop nothing.
    """
    raise_errors(check(plan, task_names))
    return plan


def report_contradictions(plan: Plan, report: Report, task_names: Collection[str] | None = None) -> None:
    """Report what does not fit together in a plan whose values have their types."""
    names.judge(plan, report)
    addresses.judge(plan, report)
    routes.judge(plan, report, task_names)
    limits.judge(plan, report)
    deploying.judge(plan, report)
    alerting.judge(plan, report)
    retries.judge(plan, report)
    breakers.judge(plan, report)
    rates.judge(plan, report)
    flowers.judge(plan, report)
    letters.judge(plan, report, task_names)
    observing.judge(plan, report)
    redelivery.judge(plan, report)
    results.judge(plan, report)
    schedules.judge(plan, report, task_names)
    security.judge(plan, report)
    sending.judge(plan, report)
    settings.judge(plan, report)
    sqs.judge(plan, report)


def _places_of(plan: Plan) -> Places:
    if plan.source is None:
        return PythonPlaces()
    source = plan.source

    def lines() -> dict[PlanPath, int]:
        try:
            return locate(read_text(source))
        except PlanError:
            # The file is gone since; its keys still say where.
            return {}

    return FilePlaces(source, layout_of(source), lines, plan.environment)
