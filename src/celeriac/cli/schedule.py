"""`celeriac schedule`: list, look ahead, run now, pause and resume what the clock sends."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from celeriac.cli.completion import schedule_names
from celeriac.cli.context import Project, pass_project
from celeriac.cli.output import json_option, print_json, print_table, say_age

if TYPE_CHECKING:
    from celeriac.control.schedules import Schedules

_NAMES = click.argument("names", nargs=-1, metavar="[NAME]…", shell_complete=schedule_names)
_SOME = click.argument("names", nargs=-1, required=True, metavar="NAME…", shell_complete=schedule_names)
#: what a schedule was that a verb did not change
_BEFORE = {"paused": "paused already", "resumed": "not paused"}


@click.group()
def command() -> None:
    """List, run, pause and resume what the clock sends.

    Schedules come from the plan, from the app's code and from django-celery-beat's tables.
    """


@command.command("list")
@_NAMES
@json_option
@pass_project
def list_(project: Project, names: Sequence[str], as_json: bool) -> None:
    """List schedules: when each comes next, and what came of its slots."""
    with _schedules(project) as schedules:
        reports, leader = schedules.reports(names), schedules.leader()
    if as_json:
        print_json({"leader": leader._asdict() if leader else None, "schedules": reports})
        return
    if not reports:
        click.echo("No schedules.")
        return
    now = time.time()
    print_table(
        ["schedule", "when", "task", "from", "state", "next", "last sent", "sent", "missed", "skipped"],
        [
            (
                it.name,
                it.when or None,
                it.task,
                it.source,
                it.state,
                f"in {say_age(it.next_slot - now)}" if it.next_slot else None,
                f"{say_age(now - it.sent_at)} ago" if it.sent_at else None,
                it.sent,
                it.missed,
                it.skipped,
            )
            for it in reports
        ],
    )
    for it in reports:
        if it.fault:
            click.secho(f"{it.name}: {it.fault}", fg="red")
        if it.running:
            click.echo(f"{it.name}: its last run has not ended: {it.running}")
        if it.waiting:
            click.echo(f"{it.name}: {it.waiting} slots wait for the last run to end")
    if leader is None:
        click.secho("no beat leads: nothing is sent", fg="yellow")
    else:
        host, _, rest = leader.holder.partition(":")
        click.echo(f"led by process {rest.partition(':')[0]} on {host}, in term {leader.number}")


@command.command("next")
@_NAMES
@click.option(
    "-n", "--count", type=click.IntRange(1, 1000), default=5, show_default=True, help="Slots of each."
)
@json_option
@pass_project
def next_(project: Project, names: Sequence[str], count: int, as_json: bool) -> None:
    """Show the next slots of schedules, in their own time zone."""
    with _schedules(project) as schedules:
        found = schedules.upcoming(names, count)
    if as_json:
        print_json(
            [
                {
                    "name": it.name,
                    "task": it.task,
                    "zone": it.zone,
                    "slots": [datetime.fromtimestamp(slot, UTC).isoformat() for slot in it.slots],
                }
                for it in found
            ]
        )
        return
    now = time.time()
    print_table(
        ["schedule", "slot", "in"],
        [(it.name, _local(slot, it.zone), say_age(slot - now)) for it in found for slot in it.slots]
        + [(it.name, None, None) for it in found if not it.slots],
    )


@command.command()
@click.argument("name", shell_complete=schedule_names)
@click.option("--force", is_flag=True, help="Also while its last run has not ended.")
@json_option
@pass_project
def run(project: Project, name: str, force: bool, as_json: bool) -> None:
    """Send the task of the schedule NAME now, beside its slots."""
    with _schedules(project) as schedules:
        task_id = schedules.run(name, force=force)
    if as_json:
        print_json({"schedule": name, "task_id": task_id})
    else:
        click.echo(f"sent {task_id}")


@command.command()
@_SOME
@json_option
@pass_project
def pause(project: Project, names: Sequence[str], as_json: bool) -> None:
    """Send nothing more for these schedules, until they are resumed.

    It holds for every beat, and through restarts. What was sent before runs on.
    """
    with _schedules(project) as schedules:
        paused = schedules.pause(names)
    _say("paused", names, paused, as_json=as_json)


@command.command()
@_SOME
@json_option
@pass_project
def resume(project: Project, names: Sequence[str], as_json: bool) -> None:
    """Let paused schedules go on with their next slots.

    The slots that came while they were paused are not sent.
    """
    with _schedules(project) as schedules:
        resumed = schedules.resume(names)
    _say("resumed", names, resumed, as_json=as_json)


def _schedules(project: Project) -> AbstractContextManager[Schedules]:
    from celeriac.control.schedules import opened

    return opened(project.app(with_tasks=True))


def _say(done: str, names: Sequence[str], changed: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        print_json({done: changed, "unchanged": [name for name in names if name not in changed]})
        return
    for name in names:
        click.echo(f"{done} {name}" if name in changed else f"{name} was {_BEFORE[done]}")


def _local(slot: float, zone: str) -> str:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        moment = datetime.fromtimestamp(slot, ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        # A zone object of the team's own, which no name leads to.
        moment = datetime.fromtimestamp(slot, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"
