"""Which letters a command means: filter options, and ids that may be shortened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from celeriac.cli.completion import queue_names, task_names
from celeriac.cli.context import Project
from celeriac.errors import BrokerError
from celeriac.units import duration
from celeriac.wire import REASONS

if TYPE_CHECKING:
    from celeriac.control.letters import Letters
    from celeriac.records import LetterFilter

F = TypeVar("F", bound=Callable[..., Any])

STATES = ("waiting", "replaying", "replayed", "discarded")


class Age(click.ParamType):
    """A duration like "30s", "5m", "2h" or "7d"."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        try:
            return duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


_OPTIONS = (
    click.option(
        "--task", metavar="GLOB", help="Tasks by name, like shop.email.*", shell_complete=task_names
    ),
    click.option("--queue", metavar="QUEUE", help="Died on this queue.", shell_complete=queue_names),
    click.option("--reason", type=click.Choice(REASONS), help="Died for this reason."),
    click.option("--older-than", type=Age(), help="Died longer ago than this, like 2h."),
    click.option("--newer-than", type=Age(), help="Died within this last span, like 7d."),
)


def filter_options(function: F) -> F:
    """Give a command the filter options, which it passes on to `chosen`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def state_option(function: F) -> F:
    """Give a command `--state`; without it, the letters that still want a decision."""
    return click.option(
        "--state",
        type=click.Choice([*STATES, "all"]),
        help="Letters in this state. Without it: those that wait for a decision.",
    )(function)


def chosen(state: str | None = None, **options: Any) -> LetterFilter:
    """Make the filter that the options say."""
    from celeriac.control.letters import OPEN, letter_filter

    states: Any = OPEN if state is None else None if state == "all" else (state,)
    return letter_filter(states=states, **options)


@contextmanager
def letters_of(project: Project, *, with_tasks: bool = False) -> Iterator[Letters]:
    """Open the letters of a project, those included that still wait in their queue."""
    from celeriac.control.letters import Letters

    letters = Letters(project.plan, lambda: project.app(with_tasks=with_tasks))
    try:
        try:
            letters.catch_up()
        except BrokerError as error:
            # What is recorded can be read all the same.
            click.secho(f"warning: {error}", err=True, fg="yellow")
        yield letters
    finally:
        letters.close()


def ids_meant(
    letters: Letters, ids: Sequence[str], options: dict[str, Any], *, everything: bool, states: Sequence[str]
) -> list[str]:
    """Give the ids that a verb is to be done to: those named, or those the filter matches.

    Raises: UsageError if neither is given, or both; LetterError for an id that is none, or not unique.
    """
    from celeriac.control.letters import letter_filter

    has_filter = any(value is not None for value in options.values())
    if ids and (has_filter or everything):
        raise click.UsageError("name letters, or choose them by a filter or --all, not both")
    if ids:
        return list(dict.fromkeys(letters.resolve(each) for each in ids))
    if not (has_filter or everything):
        raise click.UsageError(
            "which letters? Name them, choose them by --task, --queue, --reason …, or say --all"
        )
    return letters.matching(letter_filter(states=states, **options))  # type: ignore[arg-type]
