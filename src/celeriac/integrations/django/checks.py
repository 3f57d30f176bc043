"""The plan's problems, as Django's checks report them."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Caution

from celeriac.errors import CeleriacError, PlanError
from celeriac.integrations.django.project import project_app, project_plan
from celeriac.plan import check

#: this check is under way
_asked: ContextVar[bool] = ContextVar("_asked", default=False)


def check_plan(app_configs: Sequence[AppConfig] | None = None, **_: Any) -> list[CheckMessage]:
    """Give every problem of the plan, and what keeps it from being used; "celeriac.PLAN-012" is the id of PLAN-012."""
    try:
        plan = project_plan()
        app = project_app()
    except PlanError as error:
        return [message_of(problem) for problem in error.problems]
    except CeleriacError as error:
        return [message_of(error)]
    if _asked.get():
        return []  # Celery runs Django's checks, this one among them, before it imports tasks
    token = _asked.set(True)
    try:
        # Globs and schedules are held against the names of the tasks that the installed apps have.
        app.loader.import_default_modules()
    finally:
        _asked.reset(token)
    return [message_of(problem) for problem in check(plan, task_names=app.tasks)]


def message_of(problem: CeleriacError) -> CheckMessage:
    """Word one of our errors as a message of Django's checks."""
    is_warning = isinstance(problem, PlanError) and problem.severity == "warning"
    known = f" Known: {', '.join(problem.known)}." if problem.known else ""
    kind = Caution if is_warning else Error
    return kind(
        problem.message,
        hint=f"{problem.fix or ''}.{known}".removeprefix("."),
        obj=problem.at,
        id=f"celeriac.{problem.code}",
    )
