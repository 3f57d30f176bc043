"""`celeriac spool`: the tasks that this host keeps until the broker takes them."""

from __future__ import annotations

import click

from celeriac.cli.context import Project, pass_project
from celeriac.cli.output import json_option, print_json, say_age


@click.command()
@click.option(
    "--send", is_flag=True, help="Send what waits now; processes of the plan do so by themselves, too."
)
@click.option("--aside", is_flag=True, help="With --send: try what was set aside again.")
@json_option
@pass_project
def command(project: Project, send: bool, aside: bool, as_json: bool) -> None:
    """Show what this host keeps until the broker is back, or send it."""
    from celeriac.control import spool

    plan = project.plan
    sent = spool.send_on(plan, project.app(), aside=aside) if send else None
    report = spool.report(plan)
    if as_json:
        print_json({"spool": report, "sent": sent})
        return
    if sent is not None:
        click.echo(f"sent on: {sent}")
    if report is None:
        click.echo("the plan keeps no spool: a task that the broker does not take is an error for its sender")
        return
    click.echo(say(report))
    for trouble in report.troubles:
        click.secho(f"  set aside: {trouble}", fg="red")


def say(report: object) -> str:
    """Word a spool in one line."""
    from celeriac.control.spool import SpoolReport

    assert isinstance(report, SpoolReport)
    if not report.tasks and not report.aside:
        return f"spool: empty ({report.path})"
    waits = f"{report.tasks} waiting for the broker"
    age = f", the oldest for {say_age(report.oldest_age_s)}" if report.tasks else ""
    aside = f", {report.aside} set aside" if report.aside else ""
    full = f"{100 * report.size_bytes // report.max_size_bytes}% full"
    return f"spool: {waits}{age}{aside}, {full} ({report.path})"
