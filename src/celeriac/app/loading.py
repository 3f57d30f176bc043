"""Finding the Celery app that a command works on."""

from __future__ import annotations

import sys
from pathlib import Path

from celery import Celery
from celery.app.utils import find_app

from celeriac.app.factory import adopt, create_app
from celeriac.errors import AppError
from celeriac.plan import Plan
from celeriac.tasks.runtime import Runtime


def load_app(plan: Plan, app_path: str | None = None) -> Celery:
    """Give the app of a project: the one at `app_path`, else the one the plan names, else one made from the plan.

    app_path: as for `celery -A`: "proj", "proj.celery" or "proj.celery:app"; taken from the plan's folder.
    An app that is not yet Celeriac's is adopted.
    Raises: AppError that names what was looked for.
    """
    path = app_path or plan.app
    folder = str(plan.folder.absolute())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    if path is None:
        return create_app(plan)
    app = _find(path, plan)
    if isinstance(getattr(app, "celeriac", None), Runtime):
        return app
    return adopt(app, plan)


def _find(path: str, plan: Plan) -> Celery:
    at = _written(path, plan) or f'"{path}"'
    try:
        found = find_app(path)
    except ModuleNotFoundError as error:
        if error.name == path and ":" in path:  # Celery's last guess, after the module had no such variable
            raise _no_app(path, at) from error
        looked_for = path.partition(":")[0]
        if error.name is None or not f"{looked_for}.".startswith(f"{error.name}."):
            raise AppError(
                "APP-004",
                f'importing the app "{path}" failed: {error}',
                at=at,
                fix=f'install the module "{error.name}", or import what exists',
            ) from error
        raise AppError(
            "APP-003",
            f'there is no module "{error.name}" to take the app "{path}" from',
            at=at,
            known=_modules(plan.folder),
            fix="write it as for `celery -A`: proj, proj.celery or proj.celery:app",
        ) from error
    except AttributeError as error:
        raise _no_app(path, at) from error
    except ImportError as error:
        raise AppError(
            "APP-004",
            f'importing the app "{path}" failed: {error}',
            at=at,
            fix="mend the import that fails",
        ) from error
    if not isinstance(found, Celery):
        raise AppError(
            "APP-006",
            f'"{path}" is a {type(found).__name__}, not a Celery app',
            at=at,
            fix="name the variable that holds the Celery app: proj.celery:app",
        )
    return found


def _written(path: str, plan: Plan) -> str | None:
    """Say where the plan names this app, None if it does not."""
    keys = {pool.app: f"[pools.{name}].app" for name, pool in plan.pools.items()} | {
        plan.app: "[celeriac].app"
    }
    return f"{plan.source}, {keys[path]}" if plan.source and path in keys else None


def _no_app(path: str, at: str) -> AppError:
    return AppError(
        "APP-005",
        f'no Celery app was found at "{path}"',
        at=at,
        fix="write it as for `celery -A`, with the name of the variable: proj.celery:app",
    )


def _modules(folder: Path) -> list[str]:
    """Name what could be imported from the project's folder."""
    if not folder.is_dir():
        return []
    modules = [entry.stem for entry in folder.glob("*.py")]
    packages = [entry.parent.name for entry in folder.glob("*/__init__.py")]
    return sorted({*modules, *packages})
