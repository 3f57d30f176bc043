"""What every command works on: the project, its plan and its Celery app, each read when first needed."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from celeriac.errors import AppError, CeleriacError, CommandError, redacted

if TYPE_CHECKING:
    from celery import Celery

    from celeriac.plan import Plan

F = TypeVar("F", bound=Callable[..., Any])


class Project:
    """The plan and the Celery app that `--plan`, `--env` and `-A` name."""

    def __init__(
        self, plan_path: Path | None = None, environment: str | None = None, app_path: str | None = None
    ) -> None:
        self.plan_path = plan_path
        self.environment = environment
        self.app_path = app_path
        #: the plan by which this process holds its broker, once it does
        self.held: Plan | None = None

    @cached_property
    def declared(self) -> Plan:
        """The plan as it is written, read once; see `read_plan`."""
        return self.read_plan()

    @cached_property
    def plan(self) -> Plan:
        """The plan with the broker that is in use.

        Raises: AppError if it names several and none can be reached.
        """
        return self._settled(hold=False)

    def hold_broker(self) -> Plan:
        """Give the plan with its broker, which other processes of the project must use while this one lives."""
        self.held = self.__dict__["plan"] = self._settled(hold=True)
        return self.held

    def _settled(self, *, hold: bool) -> Plan:
        if not self.declared.brokers:
            return self.declared
        from celeriac.app.brokers import choose

        return choose(self.declared, hold=hold)

    def look_for_broker(self) -> Plan:
        """Give the plan with the broker in use; its `because` says so if none can be reached, and nothing is raised."""
        from msgspec.structs import replace

        try:
            return self.plan
        except AppError as error:
            return replace(self.declared, because=error.message)

    @property
    def plan_file(self) -> Path | None:
        """The plan's file: the one `--plan` names, else the nearest here or above."""
        from celeriac.plan import find_plan

        return self.plan_path or find_plan(Path.cwd())

    def read_plan(self) -> Plan:
        """Read the plan anew; without a file, take the defaults around the app that `-A` names.

        Raises: PlanError with all problems; CommandError if there is neither a plan nor an app.
        """
        from msgspec.structs import replace

        from celeriac.plan import read_plan

        path = self.plan_file
        if path is None:
            if self.app_path is None:
                raise CommandError(
                    "UP-013",
                    "there is no plan here and no Celery app was named",
                    at=str(Path.cwd()),
                    known=["celeriac.toml", "[tool.celeriac] in pyproject.toml", "-A package.module"],
                    fix="write a celeriac.toml, or name an app with -A",
                )
            from celeriac.cli.defaults import plan_around

            return plan_around(self.app_path, Path.cwd())
        plan = read_plan(path, env=self.environment)
        return replace(plan, app=self.app_path) if self.app_path else plan

    def app(self, *, with_tasks: bool = False) -> Celery:
        """Load the Celery app, once; with all the modules that define its tasks, if asked.

        Raises: AppError if it cannot be found or imported.
        """
        with _breakage_worded():
            app = self._app
            if with_tasks:
                app.loader.import_default_modules()
                app.finalize(auto=True)
        return app

    def app_of(self, pool: str) -> Celery:
        """Load the app that the workers of a pool run: the pool's own, else the project's.

        Raises: AppError if it cannot be found or imported.
        """
        own = self.declared.pools[pool].app
        if own is None:
            return self.app()
        from celeriac.app import load_app

        with _breakage_worded():
            return load_app(self.declared, own)

    @cached_property
    def _app(self) -> Celery:
        from celeriac.app import load_app

        # The app chooses its broker itself, when it first needs one; it will be the same.
        app = load_app(self.declared, self.app_path)
        if os.environ.get("DJANGO_SETTINGS_MODULE"):
            # Celery sets Django up when it imports tasks, and results may be rows of Django's.
            app.loader.import_default_modules()
        return app

    @property
    def child_environ(self) -> dict[str, str]:
        """The environment by which a process started from here works on the same project."""
        told: dict[str, str] = {}
        if self.plan_path:
            told["CELERIAC_PLAN"] = str(self.plan_path.absolute())
        if self.environment:
            told["CELERIAC_ENV"] = self.environment
        if self.app_path:
            told["CELERIAC_APP"] = self.app_path
        if self.plan.brokers:
            told["CELERIAC_BROKER"] = redacted(self.plan.broker)
        return told


def _keep(field: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def keep(ctx: click.Context, _param: click.Parameter, value: Any) -> None:
        project = ctx.find_root().ensure_object(Project)
        if value is not None:
            setattr(project, field, value)

    return keep


def project_options(*, environment: bool = False) -> Callable[[F], F]:
    """Give a command `--plan`, `--env` and `-A`; said after the command they win over those said before it.

    environment: also read CELERIAC_PLAN, CELERIAC_ENV and CELERIAC_APP. Only the root does, so that a
        variable never wins over what was typed.
    """

    def add(function: F) -> F:
        for flags, field, variable, kind, metavar, text in (
            (
                ("-A", "--app"),
                "app_path",
                "CELERIAC_APP",
                click.STRING,
                "APP",
                "The Celery app, like proj.celery:app.",
            ),
            (
                ("--env",),
                "environment",
                "CELERIAC_ENV",
                click.STRING,
                "NAME",
                "Lay this environment over the plan.",
            ),
            (
                ("--plan",),
                "plan_path",
                "CELERIAC_PLAN",
                click.Path(exists=True, path_type=Path),
                "PATH",
                "The plan file; else the nearest celeriac.toml here or above.",
            ),
        ):
            function = click.option(
                *flags,
                type=kind,
                metavar=metavar,
                help=text,
                envvar=variable if environment else None,
                show_envvar=environment,
                expose_value=False,
                is_eager=True,
                callback=_keep(field),
            )(function)
        return function

    return add


def pass_project(function: F) -> F:
    """Give a command the options of `project_options`, and the Project as its first argument."""

    def with_project(*args: Any, **kwargs: Any) -> Any:
        ctx = click.get_current_context()
        return ctx.invoke(function, ctx.find_root().ensure_object(Project), *args, **kwargs)

    wrapped: Any = update_wrapper(with_project, function)
    return project_options()(wrapped)


@contextmanager
def _breakage_worded() -> Iterator[None]:
    """Say in one line where the project's own code breaks; anything at all may be raised by it."""
    try:
        yield
    except CeleriacError:
        raise
    except Exception as error:
        raise broken_code(error) from error


def broken_code(error: Exception) -> AppError:
    """Word what the project's code raised while it was imported, with the line it comes from."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith("<frozen")]
    at = f"{own[-1].filename}:{own[-1].lineno}" if own else None
    if isinstance(error, SyntaxError):
        at = f"{error.filename}:{error.lineno}"
    return AppError(
        "APP-011",
        f"the app cannot be loaded: {type(error).__name__}: {error}",
        at=at,
        fix="mend the code there",
    )
