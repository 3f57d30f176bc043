"""`celeriac runs`: the history of task runs, listed, followed and shown."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from celeriac.cli.completion import queue_names, task_names
from celeriac.cli.context import Project, pass_project
from celeriac.cli.dead.filters import Age
from celeriac.cli.dead.words import plain
from celeriac.cli.output import json_option, print_json, print_table, say_age
from celeriac.units import duration

if TYPE_CHECKING:
    from celeriac.control.runs import History
    from celeriac.records import Seen

#: as in `celeriac.records`, which only the commands import
STATES = (
    "sent", "received", "running", "returned", "retrying",
    "rejected", "revoked", "expired", "failed", "dead", "succeeded",
)  # fmt: skip
_ERROR_CHARS = 80


class Moment(click.ParamType):
    """How long ago, like "2h", or a time, like "2026-11-20T18:00"."""

    name = "moment"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta | float:
        if isinstance(value, timedelta | float):
            return value
        try:
            return duration(value)
        except ValueError:
            pass
        try:
            return datetime.fromisoformat(value).astimezone().timestamp()
        except (ValueError, OverflowError, OSError):
            self.fail(f'"{value}" is neither an age like "2h" nor a time like "2026-11-20T18:00"', param, ctx)


@click.group(invoke_without_command=True)
@click.option("--task", metavar="GLOB", help="Tasks by name, like shop.email.*", shell_complete=task_names)
@click.option(
    "--state", "states", type=click.Choice(STATES), multiple=True, help="In this state. May be repeated."
)
@click.option("--failed", is_flag=True, help="Failed for good: failed, dead or rejected.")
@click.option("--queue", metavar="QUEUE", help="Sent to this queue.", shell_complete=queue_names)
@click.option("--worker", metavar="GLOB", help="Last seen on this worker, like web-*")
@click.option("--since", type=Moment(), help="Seen since: an age like 2h, or a time like 2026-11-20T18:00.")
@click.option("--until", type=Moment(), help="Last seen before: likewise.")
@click.option("--slow", type=Age(), metavar="SPAN", help="Ran at least this long, like 5s.")
@click.option("--text", help="With this text in task name, arguments, error or traceback.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Show the last of them."
)
@click.option("--follow", is_flag=True, help="Show runs whenever something happens to them, until Ctrl-C.")
@json_option
@pass_project
def command(
    project: Project,
    *,
    states: tuple[str, ...],
    failed: bool,
    limit: int,
    follow: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """List task runs, those seen last first.

    The plan's table [records] has them kept. With --follow and --json, one JSON document a line.
    """
    if click.get_current_context().invoked_subcommand is not None:
        return
    from celeriac.control.runs import FAILED, document, run_filter

    if failed and states:
        raise click.UsageError("--failed stands for some states; give it, or --state, not both")
    chosen: Any = FAILED if failed else states or None
    wanted = run_filter(states=chosen, **options)
    with history_of(project) as history:
        if follow:
            _follow(history.follow(wanted), as_json=as_json)
            return
        page = history.page(wanted, limit)
        if as_json:
            print_json([document(seen) for seen in page])
            return
        if not page:
            _say_nothing(
                history, is_filtered=chosen is not None or any(v is not None for v in options.values())
            )
            return
        print_runs(page)
        total = history.count(wanted)
        if total > len(page):
            click.echo(f"\n{len(page)} of {total}; --limit shows more")


@command.command()
@click.argument("task_id", metavar="ID")
@json_option
@pass_project
def show(project: Project, task_id: str, as_json: bool) -> None:
    """Show the run of the task ID: each state with its time, arguments, error, and what it is part of.

    An ID may be shortened to any unique beginning.
    """
    from celeriac.control.runs import document

    with history_of(project) as history:
        view = history.show(task_id)
    if as_json:
        letters = [letter.id for letter in view.letters]
        family = [each.run.task_id for each in view.family]
        print_json(
            {**document(view.seen), "letters": letters, "family": family, "family_count": view.family_count}
        )
        return
    print_run(view.seen)
    for letter in view.letters:
        click.echo(f"{'letter':<12} {letter.id} ({plain(letter.reason)}, {letter.state})")
    if view.family:
        click.echo(f"\nOf the same root: {view.family_count}")
        print_runs(view.family)
    if view.seen.run.mishap and view.seen.run.mishap.traceback:
        click.echo(f"\n{plain(view.seen.run.mishap.traceback).rstrip()}")


@contextmanager
def history_of(project: Project) -> Iterator[History]:
    """Open the history of a project."""
    from celeriac.control.runs import History

    history = History(project.plan)
    try:
        yield history
    finally:
        history.close()


def _follow(runs: Iterator[Seen], *, as_json: bool) -> None:
    from celeriac.control.runs import document

    for seen in runs:
        if as_json:
            click.echo(json.dumps(document(seen)))
        else:
            click.echo(_line(seen))


def _line(seen: Seen) -> str:
    at = time.strftime("%H:%M:%S", time.localtime(seen.outcome.seen_at))
    parts = [at, f"{seen.outcome.state:<9}", seen.run.description.task or "?", seen.run.task_id]
    if seen.outcome.run_s is not None:
        parts.append(say_age(seen.outcome.run_s))
    return plain("  ".join([*parts, _error(seen) or ""])).rstrip()


def _say_nothing(history: History, *, is_filtered: bool) -> None:
    if not history.is_kept:
        click.echo("No runs: the plan has no table [records], so none are kept.")
    else:
        click.echo("No runs match." if is_filtered else "No runs yet.")


def print_runs(runs: Any) -> None:
    """Print runs as a table."""
    now = time.time()
    print_table(
        ["task id", "state", "task", "queue", "attempts", "waited", "ran", "seen", "error"],
        [
            (
                plain(seen.run.task_id),
                seen.outcome.state,
                None if seen.run.description.task is None else plain(seen.run.description.task),
                None if seen.run.description.queue is None else plain(seen.run.description.queue),
                seen.outcome.attempts,
                say_age(seen.outcome.wait_s),
                say_age(seen.outcome.run_s),
                f"{say_age(now - seen.outcome.seen_at)} ago",
                _error(seen),
            )
            for seen in runs
        ],
    )


def print_run(seen: Seen) -> None:
    """Print one run with all its states."""
    described, outcome = seen.run.description, seen.outcome
    facts: dict[str, Any] = {
        "task": described.task,
        "task id": seen.run.task_id,
        "state": outcome.state,
        "queue": described.queue,
        "worker": outcome.worker,
        "attempts": outcome.attempts,
        "waited": None if outcome.wait_s is None else say_age(outcome.wait_s),
        "ran": None if outcome.run_s is None else say_age(outcome.run_s),
        "args": described.args,
        "kwargs": described.kwargs,
        "error": seen.run.mishap.error if seen.run.mishap else None,
        "root": described.root_id if described.root_id != seen.run.task_id else None,
        "parent": described.parent_id,
        "group": described.group_id,
        "replay of": described.replay_of,
        "eta": None if described.eta is None else _moment(described.eta),
        "expires": None if described.expires_at is None else _moment(described.expires_at),
    }
    for name, value in facts.items():
        if value is not None:
            click.echo(f"{name:<12} {plain(str(value))}")
    for sighting in seen.run.history:
        where = f" on {plain(sighting.worker)}" if sighting.worker else ""
        attempt = f" (attempt {sighting.attempt})" if sighting.attempt and sighting.attempt > 1 else ""
        click.echo(f"{_moment(sighting.at):<30} {sighting.state}{where}{attempt}")


def _error(seen: Seen) -> str | None:
    from celeriac.control.runs import FAILED

    mishap = seen.run.mishap
    if mishap is None or mishap.error is None or seen.outcome.state not in (*FAILED, "retrying"):
        return None
    error = plain(mishap.error)
    return error if len(error) <= _ERROR_CHARS else f"{error[: _ERROR_CHARS - 1]}…"


def _moment(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)) + f".{int(at % 1 * 1000):03d}"
