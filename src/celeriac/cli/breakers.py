"""`celeriac breakers`: how the circuit breakers stand."""

from __future__ import annotations

import time

import click

from celeriac.cli.context import Project, pass_project
from celeriac.cli.output import json_option, print_json, print_table, say_age


@click.command()
@click.option("--reset", "name", metavar="NAME", help="Close this breaker now, then show all.")
@json_option
@pass_project
def command(project: Project, name: str | None, as_json: bool) -> None:
    """Show every circuit breaker of the plan: closed, open or probing, or close one."""
    from celeriac.control import breakers

    plan = project.plan
    if name is not None:
        breakers.reset(plan, name)
    reports = breakers.breakers(plan)
    if as_json:
        print_json({"breakers": reports})
        return
    now = time.time()
    print_table(
        ["breaker", "state", "for", "failures", "cool-down", "tasks"],
        [
            (
                it.name,
                it.state,
                say_age(now - it.since if it.since else None),
                f"{it.failures} of {it.of}",
                say_age(it.cool_down_s),
                ", ".join(it.tasks),
            )
            for it in reports
        ],
    )
