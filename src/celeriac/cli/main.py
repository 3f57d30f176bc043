"""The root command: finds the command file by name, and words every expected error once.

Exit codes: 0 done, 1 it failed, 2 the plan or the command line is wrong, 3 already running, 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from celeriac import __version__
from celeriac.cli.context import project_options
from celeriac.errors import AlreadyRunning, CeleriacError, CommandError, PlanError, ScaffoldError

#: command → its line in `celeriac --help`; the file is the module of that name in this folder
COMMANDS: dict[str, str] = {
    "new": "Make a project in the folder NAME: tasks, plan, tests, Dockerfile, CI, ready to run.",
    "up": "Run the plan: its workers, its recorder, its beat.",
    "status": "Show what runs, who reads which queue and what waits.",
    "queues": "Show every queue: how many wait, for how long, who reads it, how many died.",
    "send": "Send TASK with ARGS, each read as JSON, or else as text.",
    "spool": "Show what this host keeps until the broker is back, or send it.",
    "doctor": "Say what is wrong with the system, where, how that is known, and how to mend it.",
    "why": "Say what happened to the task TASK_ID, and what that rests on.",
    "runs": "List task runs, those seen last first.",
    "breakers": "Show every circuit breaker of the plan: closed, open or probing, or close one.",
    "dead": "List, show, mend and replay dead letters.",
    "schedule": "List, run, pause and resume what the clock sends.",
    "plan": "Show the plan worked out into processes, each with its command line.",
    "render": "Render the plan as the files other tools run it by.",
    "keys": "Make the keys that payloads are sealed with and messages signed.",
    "check": "Prove that the plan holds together: queues, pools, tasks, schedules, limits.",
    "worker": "Run one worker of POOL.",
    "drain": "Let the workers of this host finish what they run, and end.",
    "recorder": "Run the recorder, which keeps the dead letters and the runs.",
    "beat": "Run the beat, which sends the schedules.",
    "metrics": "Serve the metrics and the health of this host.",
    "flower": "Run Flower as the plan says, one of several by NAME.",
    "probe": "Say whether the workers of this host live.",
    "adopt": "Write the plan of the Celery project in PATH, and list what to improve.",
    "tutorial": "See Celeriac at work in ten minutes, every claim counted.",
    "completion": "Print the completion script of SHELL.",
}

FAILED, USAGE, ALREADY_RUNNING, INTERRUPTED = 1, 2, 3, 130


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"celeriac.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from celeriac.cli.output import nearest

            close = nearest(args[0], COMMANDS)
            if close:
                raise click.UsageError(f"No such command '{args[0]}'. Did you mean {close}?", ctx) from error
            raise


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="celeriac")
@project_options(environment=True)
def cli() -> None:
    """The production platform for Celery: one plan, no server on a laptop, and no task lost."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and give its exit code; expected errors are worded on standard error."""
    try:
        outcome: Any = cli.main(
            args=None if arguments is None else list(arguments), prog_name="celeriac", standalone_mode=False
        )
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except CeleriacError as error:
        click.secho(str(error), err=True, fg="red" if sys.stderr.isatty() else None)
        return exit_code(error)
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; whatever is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return outcome if isinstance(outcome, int) else 0


def exit_code(error: CeleriacError) -> int:
    """Say with which code an expected error ends the command."""
    if isinstance(error, AlreadyRunning):
        return ALREADY_RUNNING
    return USAGE if isinstance(error, PlanError | CommandError | ScaffoldError) else FAILED


def main() -> NoReturn:
    """Run `celeriac` as a program."""
    if os.environ.get("CELERIAC_LIFELINE"):
        from celeriac.supervise.lifeline import follow

        follow()
    sys.exit(run())
