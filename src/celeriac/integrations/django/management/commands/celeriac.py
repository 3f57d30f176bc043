"""`manage.py celeriac …`: the command line of Celeriac, on this project's plan and app."""

from __future__ import annotations

import sys
from argparse import REMAINDER
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from celeriac.errors import CeleriacError
from celeriac.integrations.django.project import APP_PATH, project_plan
from celeriac.integrations.program import become_celeriac, environment, run_celeriac


class Command(BaseCommand):
    """Hands everything after `celeriac` to the program of that name."""

    help = (
        "Celeriac's own command line: up, status, dead, why, check … (`manage.py celeriac --help` lists all)."
    )
    # `celeriac check` words the plan's problems itself.
    requires_system_checks = ()

    def run_from_argv(self, argv: list[str]) -> None:
        """Become the program; options such as --help are the program's, not Django's."""
        become_celeriac(argv[2:], _environment(argv[2:]))

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Take every argument as it is, also those that look like options."""
        return super().create_parser(prog_name, subcommand, prefix_chars="\0", add_help=False, **kwargs)

    def add_base_argument(self, parser: CommandParser, *args: Any, **kwargs: Any) -> None:
        """Leave out Django's common options, which the program does not have."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what `call_command("celeriac", …)` is given."""
        parser.add_argument("arguments", nargs=REMAINDER)
        parser.set_defaults(force_color=False, no_color=False, skip_checks=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the program beside this process, for `call_command`.

        Raises: CommandError if it did not end with 0.
        """
        arguments = options["arguments"]
        code = run_celeriac(arguments, _environment(arguments))
        if code:
            raise CommandError(f"celeriac ended with {code}", returncode=code)


def _environment(arguments: list[str]) -> dict[str, str]:
    try:
        plan = project_plan()
    except CeleriacError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    return environment(arguments, plan, APP_PATH, DJANGO_SETTINGS_MODULE=settings.SETTINGS_MODULE)
