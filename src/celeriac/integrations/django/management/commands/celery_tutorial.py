"""`manage.py celery_tutorial`: Celeriac at work on this project's own plan, with its own tasks."""

from __future__ import annotations

import json
import os
from argparse import ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from celeriac.errors import CeleriacError
from celeriac.integrations.django.project import APP_PATH, project_app, project_plan
from celeriac.integrations.program import environment
from celeriac.tutorial import (
    PARTS,
    STEPS,
    NoWait,
    Reader,
    Screen,
    chosen_steps,
    guest_in,
    leave_by_the_door,
    play,
    read_cast,
)

SETTING = "CELERIAC_TUTORIAL"
_INTERRUPTED = 130


class Command(BaseCommand):
    """Plays the tutorial with the tasks that settings.CELERIAC_TUTORIAL and the options name."""

    help = (
        "Shows Celeriac at work on this project: workers started one by one, chains, a letter, a killed worker; "
        f"every claim is counted. Which tasks play is said by settings.{SETTING}, and by these options over it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options of the tour, and one for each part of the cast."""
        parser.add_argument(
            "--no-input", "--noinput", action="store_true", help="go on without waiting for Enter"
        )
        parser.add_argument("--list", action="store_true", help="list the steps and end")
        parser.add_argument(
            "--step", action="append", default=[], metavar="NAME", help="only this step; repeatable"
        )
        for part, (kind, says) in PARTS.items():
            read = {"task": str, "name": str, "number": int, "arguments": _json_list}[kind]
            metavar = {"arguments": "JSON", "number": "N"}.get(kind, "NAME")
            parser.add_argument(f"--{part.replace('_', '-')}", type=read, metavar=metavar, help=says)

    def handle(self, *args: Any, **options: Any) -> None:
        """Play.

        Raises: CommandError with the first claim that does not hold.
        """
        if options["list"]:
            for step in STEPS:
                self.stdout.write(f"{step.name:<10} {step.title}")
            return
        try:
            self._play(options)
        except CeleriacError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("interrupted", returncode=_INTERRUPTED) from None

    def _play(self, options: dict[str, Any]) -> None:
        steps = chosen_steps(options["step"])
        app = project_app()
        app.loader.import_default_modules()
        app.finalize(auto=True)
        said = {part: options[part] for part in PARTS if options[part] is not None}
        cast = read_cast(
            {**getattr(settings, SETTING, {}), **said}, app, at=f"settings.{SETTING}, or an option"
        )
        screen = Screen()
        pace = NoWait() if options["no_input"] else Reader(screen)
        leave_by_the_door()
        environ = environment([], project_plan(), APP_PATH, DJANGO_SETTINGS_MODULE=settings.SETTINGS_MODULE)
        if options["no_color"]:
            os.environ["NO_COLOR"] = "1"
        with guest_in(app, cast, screen, environ) as stage:
            stage.pace = pace
            screen.head(f"Celeriac at work on {stage.plan.name}")
            screen.say(
                """Real workers are started on this project's own plan and broker, and stopped at the end. Every claim
                with a mark before it was counted, at the broker or in the records."""
            )
            play(stage, steps)
        screen.end("Its processes are stopped; what its tasks have made is there.")


def _json_list(text: str) -> list[Any]:
    try:
        read = json.loads(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not JSON: {error}") from error
    if not isinstance(read, list):
        raise ArgumentTypeError(f"{text!r} is no list of arguments, like '[5]'")
    return read
