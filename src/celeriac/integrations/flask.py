"""Celeriac in a Flask project: `Celeriac(app)`.

In flow Flask's settings (CELERIAC_PLAN or CELERIAC, and CELERY as Flask's documentation shows it); out flow one Celery
app that follows the plan, tasks that run inside the application's context, and `flask celeriac …`. A plan that cannot
be read stops the application at its start.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from celery import Celery

from celeriac.app import adopt
from celeriac.errors import IntegrationError
from celeriac.integrations.planning import configured_plan
from celeriac.integrations.program import become_celeriac, environment
from celeriac.tasks import Task as PolicyTask

try:
    from flask import Flask, current_app, has_app_context
    from flask.cli import ScriptInfo, pass_script_info
except ModuleNotFoundError as error:
    raise IntegrationError(
        "WEB-020",
        f"the Flask integration needs a package that is not installed: {error.name}.",
        fix="pip install 'celeriac[flask]'",
    ) from error

#: where `celeriac` finds the Celery app of the Flask application that FLASK_APP names
APP_PATH = "celeriac.integrations.flask:celery_app"
_TASK = "celeriac.integrations.flask:Task"
_EXTENSION = "celeriac"


class Task(PolicyTask):
    """A Celeriac task that runs in the context of its Flask application, one of its own for each run."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task; called directly inside the application's context, it shares that one."""
        flask_app: Flask = self.app.flask_app
        is_inside = has_app_context() and current_app._get_current_object() is flask_app  # type: ignore[attr-defined]
        if is_inside and self.request.called_directly:
            return super().__call__(*args, **kwargs)
        with flask_app.app_context():
            return super().__call__(*args, **kwargs)


class Celeriac:
    """The Flask extension.

    After `init_app` the application has its Celery app in `app.extensions["celery"]`, where Flask's documentation puts
    it, and this object in `app.extensions["celeriac"]`.
    """

    def __init__(self, app: Flask | None = None, *, celery: Celery | None = None) -> None:
        """app: the application, if there is one yet; celery: an existing Celery app to adopt, else one is made."""
        self._celery = celery
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> Celery:
        """Bring an application under its plan and give its Celery app.

        app.config: CELERIAC_PLAN (a path, relative to the application's folder, or a `Plan`) or CELERIAC (a plan as a
            dict), else the nearest celeriac.toml from the application's folder up; CELERY: a dict of Celery settings.
        Raises: PlanError with every problem; IntegrationError if the settings contradict each other; AppError if the
            Celery app has a plan already.
        """
        config = app.config
        plan = configured_plan(
            config.get("CELERIAC_PLAN"), config.get("CELERIAC"), Path(app.root_path), at=f"{app.name}.config"
        )
        # Typed loosely: what hangs on the app is for its tasks to find.
        celery: Any = Celery(plan.name) if self._celery is None else self._celery
        if celery.task_cls == Celery.task_cls:
            celery.task_cls = _TASK
        celery.flask_app = app
        celery.conf.update(config.get("CELERY") or {})
        adopt(celery, plan)
        celery.set_default()
        app.extensions["celery"] = celery
        app.extensions[_EXTENSION] = self
        app.cli.add_command(_command)
        made: Celery = celery
        return made


@click.command(
    "celeriac",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@pass_script_info
def _command(info: ScriptInfo, arguments: tuple[str, ...]) -> None:
    """Celeriac's own command line: up, status, dead, why, check …"""
    celery = info.load_app().extensions["celery"]
    told = {"FLASK_APP": info.app_import_path} if info.app_import_path else {}
    become_celeriac(arguments, environment(arguments, celery.celeriac.plan, APP_PATH, **told))


def __getattr__(name: str) -> Any:
    # The Celery app of the application that FLASK_APP names; made when `celeriac` or `celery -A` asks for it.
    if name != "celery_app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    app = ScriptInfo(app_import_path=os.environ.get("FLASK_APP")).load_app()
    celery = app.extensions.get("celery")
    if celery is None:
        raise IntegrationError(
            "WEB-021",
            f'the Flask application "{app.name}" has no Celery app.',
            at=os.environ.get("FLASK_APP"),
            fix="write Celeriac(app), or celeriac.init_app(app) in its factory",
        )
    globals()[name] = celery
    return celery
