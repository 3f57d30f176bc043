"""`celeriac status`: what runs, who reads which queue, what waits."""

from __future__ import annotations

import time

import click

from celeriac.cli.context import Project, pass_project
from celeriac.cli.output import json_option, print_json, print_table, say_age, say_broker
from celeriac.errors import BrokerError, redacted


@click.command()
@json_option
@pass_project
def command(project: Project, as_json: bool) -> None:
    """Show what runs, who reads which queue and what waits."""
    from celeriac.cli import queues as queues_command
    from celeriac.control import broker, processes

    plan = project.plan
    up = processes.running(plan)
    try:
        consumers, waiting = broker.consumers(plan, project.app), broker.queues(plan, project.app)
        unseen = None
    except BrokerError as error:
        consumers, waiting, unseen = [], [], error
    kept = None
    if plan.sending.spool is not None:
        from celeriac.control import spool

        kept = spool.report(plan)
    if as_json:
        seen = {"consumers": consumers, "queues": waiting, "broker_error": None}
        print_json(
            {
                "up": up,
                "spool": kept,
                "broker": {"url": redacted(plan.broker), "because": plan.because},
                **(seen if unseen is None else dict.fromkeys(seen) | {"broker_error": str(unseen)}),
            }
        )
        return
    now = time.time()
    click.echo(f"broker: {say_broker(plan)}")
    if kept is not None:
        from celeriac.cli.spool import say

        click.echo(say(kept))
    if up is None:
        click.echo("`celeriac up` does not run in this project")
    else:
        click.echo(f"up for {say_age(now - up.since)}, process {up.pid}\n")
        print_table(
            ["process", "state", "pid", "for", "restarts"],
            [
                (it.name, it.state, it.pid, say_age(now - it.since if it.since else None), it.restarts)
                for it in up.processes
            ],
        )
    if unseen is not None:
        click.echo(f"\n{unseen}", err=True)
        return
    # The recorder has no mailbox of Celery's to be named by.
    named = {it.pid: it.name for it in up.processes if it.kind == "recorder"} if up else {}
    click.echo()
    print_table(
        ["consumer", "pid", "reads", "runs", "holds"],
        [
            (named.get(it.pid, it.name), it.pid, ", ".join(it.queues), it.running, it.unacked)
            for it in consumers
        ],
    )
    click.echo()
    queues_command.show(waiting)
