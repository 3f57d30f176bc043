"""`celeriac plan`: the plan as it is read, and the processes it comes to."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from celeriac.cli.context import Project, pass_project
from celeriac.cli.output import json_option, print_json
from celeriac.errors import redacted

if TYPE_CHECKING:
    from celeriac.plan import Plan, Process


@click.command()
@click.option("--schema", is_flag=True, help="Print the JSON Schema of the plan file, for editors.")
@json_option
@pass_project
def command(project: Project, schema: bool, as_json: bool) -> None:
    """Show the plan worked out into processes, each with its command line.

    Of a worker also the plain Celery command it comes to."""
    from celeriac.plan import json_schema, topology

    if schema:
        print_json(json_schema())
        return
    plan = project.look_for_broker()
    processes = topology(plan)
    if as_json:
        print_json(
            {
                "name": plan.name,
                "source": plan.source,
                "folder": plan.folder,
                "app": plan.app,
                "imports": plan.imports,
                "broker": redacted(plan.broker),
                "because": plan.because,
                "brokers": [redacted(url) for url in plan.candidates],
                "results": redacted(plan.results),
                "state": redacted(plan.state),
                "queues": plan.queues,
                "pools": plan.pools,
                "tasks": plan.tasks,
                "schedules": plan.schedules,
                "letters": plan.letters,
                "processes": [
                    {
                        "name": process.name,
                        "kind": process.kind,
                        "pool": process.pool,
                        "replica": process.replica,
                        "grace": process.grace,
                        "argv": process.argv,
                        "env": process.env,
                        "celery": celery_line(plan, process),
                    }
                    for process in processes
                ],
            }
        )
        return
    show(plan, processes)


def celery_line(plan: Plan, process: Process) -> str | None:
    """The plain Celery command a worker comes to; None for what is not a Celery worker."""
    from celeriac.plan import celery_arguments, celery_environ

    if process.pool is None or process.replica is None:
        return None
    app = plan.pools[process.pool].app or plan.app
    named = ("-A", app) if app else ()
    set_before = [f"{name}={value}" for name, value in celery_environ(plan, process.pool).items()]
    return shlex.join([*set_before, "celery", *named, *celery_arguments(plan, process.pool, process.replica)])


def show(plan: Plan, processes: tuple[Process, ...]) -> None:
    """Print the plan for people."""
    from celeriac.cli.output import print_table, say_broker
    from celeriac.units import say_duration

    click.echo(f"{plan.name}: {plan.source or plan.app}")
    click.echo(f"broker:  {say_broker(plan)}")
    if plan.brokers:
        click.echo(
            f"one of:  {', '.join(map(redacted, plan.brokers))}, the first that can be reached at start"
        )
    click.echo(f"results: {redacted(plan.results)}")
    click.echo(f"state:   {redacted(plan.state)}")
    if plan.queues:
        readers = {
            name: ", ".join(pool for pool, it in plan.pools.items() if name in it.queues)
            for name in plan.queues
        }
        click.echo()
        print_table(
            ["queue", "max wait", "max length", "read by"],
            [
                (name, say_duration(it.max_wait) if it.max_wait else None, it.max_length, readers[name])
                for name, it in plan.queues.items()
            ],
        )
    click.echo()
    for process in processes:
        click.secho(process.name, bold=True)
        click.echo(f"  {shlex.join(process.argv)}")
        line = celery_line(plan, process)
        if line:
            click.echo(f"  = {line}")
