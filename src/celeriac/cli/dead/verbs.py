"""The verbs of `celeriac dead`: replay, discard and edit."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from celeriac.cli.completion import queue_names, task_names
from celeriac.cli.context import Project, pass_project
from celeriac.cli.dead.filters import filter_options, ids_meant, letters_of
from celeriac.cli.dead.words import plain
from celeriac.cli.output import json_option, print_json

if TYPE_CHECKING:
    from celeriac.control.letters import Letters, Outcome
    from celeriac.deadletters import Change

_ALL = click.option("--all", "everything", is_flag=True, help="All letters that wait for a decision.")
_YES = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Only say what would be done, and what would fail.")
_IDS = click.argument("ids", nargs=-1, metavar="[ID]…")
#: failures worded one by one; the rest are counted
_WORDED_MAX = 20


@click.command()
@_IDS
@filter_options
@_ALL
@click.option("--to", metavar="QUEUE", help="Another queue than each died on.", shell_complete=queue_names)
@click.option(
    "--force", is_flag=True, help="Also those whose replay broke off in the middle and may have been sent."
)
@_DRY_RUN
@_YES
@json_option
@pass_project
def replay(
    project: Project,
    *,
    ids: Sequence[str],
    everything: bool,
    to: str | None,
    force: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Send the messages of dead letters once more.

    Name letters, or choose them by a filter. Each letter is replayed once. The task id stays, so chains, groups
    and chords go on. Exit code 1 if one could not be replayed.
    """
    with letters_of(project) as letters:
        meant = ids_meant(letters, ids, options, everything=everything, states=("waiting", "replaying"))
        if not ids and not dry_run and not _agreed("Replay", meant, yes=yes):
            return 0
        with _progress("replaying", len(meant), dry_run=dry_run) as advance:
            outcome = letters.replay(meant, queue=to, force=force, dry_run=dry_run, on_progress=advance)
    return _report("replay", "replayed", outcome, dry_run=dry_run, as_json=as_json)


@click.command()
@_IDS
@filter_options
@_ALL
@_DRY_RUN
@_YES
@json_option
@pass_project
def discard(
    project: Project,
    *,
    ids: Sequence[str],
    everything: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Set dead letters down for good.

    Name letters, or choose them by a filter. They can still be listed with --state discarded. Exit code 1 if one
    could not be discarded.
    """
    with letters_of(project) as letters:
        meant = ids_meant(letters, ids, options, everything=everything, states=("waiting",))
        if not ids and not dry_run and not _agreed("Discard", meant, yes=yes):
            return 0
        with _progress("discarding", len(meant), dry_run=dry_run) as advance:
            outcome = letters.discard(meant, dry_run=dry_run, on_progress=advance)
    return _report("discard", "discarded", outcome, dry_run=dry_run, as_json=as_json)


@click.command()
@click.argument("letter_id", metavar="ID")
@click.option("--args", "args_json", metavar="JSON", help="New positional arguments, like '[\"a\", 1]'.")
@click.option(
    "--kwargs", "kwargs_json", metavar="JSON", help="New keyword arguments, like '{\"price\": 12}'."
)
@click.option(
    "--set",
    "values",
    multiple=True,
    metavar="PATH=VALUE",
    help="One value, like args.0=5 or kwargs.row.price=12; JSON, or else text. May be repeated.",
)
@click.option("--task", metavar="NAME", help="Call this task instead.", shell_complete=task_names)
@json_option
@pass_project
def edit(
    project: Project,
    *,
    letter_id: str,
    args_json: str | None,
    kwargs_json: str | None,
    values: Sequence[str],
    task: str | None,
    as_json: bool,
) -> None:
    """Mend the call of a dead letter.

    Without options, in your $EDITOR. What follows the task (chain, chord, callbacks) and its id stay. The message
    as it died is kept beside it.
    """
    from celeriac.deadletters import Change, read_values

    with letters_of(project, with_tasks=True) as letters:
        full_id = letters.resolve(letter_id)
        change: Change | None
        if args_json is None and kwargs_json is None and not values and task is None:
            change = _edited_by_hand(letters, full_id)
        else:
            change = Change(
                task=task,
                args=_read("--args", args_json, list),
                kwargs=_read("--kwargs", kwargs_json, dict),
                values=read_values(values),
            )
        if change is None:
            click.echo("Nothing was changed.")
            return
        mended = letters.edit(full_id, change)
    if as_json:
        print_json({"letter": mended.id, "task": mended.task, "edited_at": mended.edited_at})
    else:
        click.echo(f"Mended letter {mended.id[:8]}. Replay it: celeriac dead replay {mended.id[:8]}")


def _edited_by_hand(letters: Letters, letter_id: str) -> Change | None:
    """Let the call be edited as JSON until it can be read; None if nothing was changed."""
    from celeriac.deadletters import Change

    call = letters.editable(letter_id)
    before = text = json.dumps({"task": call.task, "args": call.args, "kwargs": call.kwargs}, indent=2) + "\n"
    while True:
        edited = click.edit(text, extension=".json")
        if edited is None or edited.strip() == before.strip():
            return None
        try:
            document = json.loads(edited)
            return Change(
                task=_typed(document["task"], str),
                args=_typed(document["args"], list),
                kwargs=_typed(document["kwargs"], dict),
            )
        except (ValueError, TypeError, KeyError) as error:
            text = edited
            if not sys.stdin.isatty():
                raise click.UsageError(f"this is no call: {error}") from error
            click.confirm(f"This is no call: {error}. Edit it again?", default=True, abort=True, err=True)


def _typed(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{json.dumps(value)} is no {kind.__name__}")
    return value


def _read(option: str, text: str | None, kind: type) -> Any:
    if text is None:
        return None
    try:
        return _typed(json.loads(text), kind)
    except (ValueError, TypeError) as error:
        raise click.BadParameter(f"not a JSON {kind.__name__}: {error}", param_hint=option) from error


def _agreed(verb: str, meant: Sequence[str], *, yes: bool) -> bool:
    """Say how many letters are meant and ask, unless told not to.

    Raises: UsageError if there is nobody to ask.
    """
    if not meant:
        click.echo("No dead letters match.", err=True)
        return False
    if yes:
        return True
    letters = "1 letter" if len(meant) == 1 else f"{len(meant)} letters"
    if not sys.stdin.isatty():
        raise click.UsageError(
            f"{verb.lower()} {letters}? Nobody is here to ask; say --yes, or look with --dry-run"
        )
    return click.confirm(f"{verb} {letters}?", err=True)


@contextmanager
def _progress(what: str, total: int, *, dry_run: bool) -> Iterator[Callable[[], object]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    is_hidden = total < 2 or not console.is_terminal
    with Progress(*columns, console=console, disable=is_hidden, transient=True) as progress:
        task = progress.add_task(f"would be {what}" if dry_run else what, total=total)
        yield lambda: progress.advance(task)


def _report(verb: str, done: str, outcome: Outcome, *, dry_run: bool, as_json: bool) -> int:
    """Print what a verb came to and give the exit code."""
    if as_json:
        print_json({"dry_run": dry_run, done: outcome.done, "failed": outcome.failed})
    else:
        number = len(outcome.done)
        letters = "1 letter" if number == 1 else f"{number} letters"
        click.echo(f"Would {verb} {letters}." if dry_run else f"{done.capitalize()} {letters}.")
        for failure in outcome.failed[:_WORDED_MAX]:
            click.secho(plain(failure.error), err=True, fg="red" if sys.stderr.isatty() else None)
        if len(outcome.failed) > _WORDED_MAX:
            click.echo(f"… and {len(outcome.failed) - _WORDED_MAX} more failed", err=True)
    return 1 if outcome.failed else 0
