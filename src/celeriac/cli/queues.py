"""`celeriac queues`: every queue as it is now, against what the plan asks of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from celeriac.cli.context import Project, pass_project
from celeriac.cli.output import json_option, print_json

if TYPE_CHECKING:
    from celeriac.control.broker import QueueReport


@click.command()
@json_option
@pass_project
def command(project: Project, as_json: bool) -> None:
    """Show every queue: how many wait, for how long, who reads it, how many died."""
    from celeriac.control.broker import queues

    reports = queues(project.plan, project.app)
    if as_json:
        print_json({"queues": reports})
        return
    show(reports)


def show(reports: Sequence[QueueReport]) -> None:
    """Print the queues as a table, and below it what is wrong with them."""
    from celeriac.cli.output import print_table, say_age

    print_table(
        ["queue", "ready", "delayed", "unacked", "oldest", "max wait", "readers", "letters"],
        [
            (
                it.name,
                it.ready,
                it.delayed,
                it.unacked,
                say_age(it.oldest_age_s),
                say_age(it.max_wait_s),
                it.consumers,
                it.letters,
            )
            for it in reports
        ],
    )
    for it in reports:
        if it.is_unread:
            waiting = it.ready + (it.delayed or 0)
            wait = "1 task waits" if waiting == 1 else f"{waiting} tasks wait"
            click.secho(f"nobody reads {it.name}: {wait} there", fg="red")
        elif it.is_late:
            click.secho(
                f"{it.name} is late: its oldest task waits {say_age(it.oldest_age_s)}, "
                f"the plan asks for {say_age(it.max_wait_s)}",
                fg="yellow",
            )
