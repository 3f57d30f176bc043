"""The plan and the Celery app of a Django project, each found once."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from celery import Celery, _state
from django.conf import settings

from celeriac.app import adopt, load_app
from celeriac.integrations.planning import configured_plan
from celeriac.plan import Plan
from celeriac.tasks import Runtime

#: where `celeriac` imports the app of a project that names none itself
APP_PATH = "celeriac.integrations.django.celery:app"


@cache
def project_plan() -> Plan:
    """Give the project's plan: CELERIAC_PLAN, CELERIAC, or the nearest celeriac.toml from BASE_DIR up.

    Raises: PlanError with every problem; IntegrationError if the settings contradict each other.
    """
    return configured_plan(
        getattr(settings, "CELERIAC_PLAN", None),
        getattr(settings, "CELERIAC", None),
        Path(getattr(settings, "BASE_DIR", None) or Path.cwd()),
        at=os.environ.get("DJANGO_SETTINGS_MODULE", "Django's settings"),
    )


@cache
def project_app() -> Celery:
    """Give the project's Celery app, following its plan.

    That is the app the plan names, else the one the project has made itself (as in proj/celery.py), else one made here
    from the plan and Django's CELERY_* settings, which finds the tasks of all installed apps.
    Raises: as `project_plan`, and AppError if the plan names an app that cannot be imported.
    """
    own = _own_app()
    if own is not None and isinstance(getattr(own, "celeriac", None), Runtime):
        return own
    plan = project_plan()
    if plan.app is not None and plan.app != APP_PATH:
        return load_app(plan)
    return adopt(own or _new_app(plan), plan)


def _own_app() -> Celery | None:
    """Give the app that the project has made by now, None if it has made none.

    Asked of Celery's state, since `celery.current_app` would make one.
    """
    made = _state.default_app or getattr(_state._tls, "current_app", None)
    return made if isinstance(made, Celery) else None


def _new_app(plan: Plan) -> Celery:
    app = Celery(plan.name)
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.set_default()
    app.autodiscover_tasks()
    return app
