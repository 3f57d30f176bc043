"""Letters: the task that is told of them exists, and is not told of its own."""

from __future__ import annotations

from collections.abc import Collection

from celeriac.plan.model import Plan
from celeriac.plan.report import Report, clipped, write_or
from celeriac.plan.rules.routes import own_tasks


def judge(plan: Plan, report: Report, task_names: Collection[str] | None) -> None:
    """Report a handler of letters that nobody knows."""
    handler = plan.letters.handler
    if handler is not None and (not handler or (task_names is not None and handler not in task_names)):
        names = own_tasks(task_names or ())
        report.add(
            ("letters", "handler"),
            "PLAN-084",
            f'there is no task "{clipped(handler)}" to tell of letters.',
            known=names,
            fix=write_or(handler, names, "import the module that defines it, or mend the name"),
        )
