"""`celeriac why`: what happened to one task."""

from __future__ import annotations

import click

from celeriac.cli.context import Project, pass_project
from celeriac.cli.output import json_option, print_json


@click.command()
@click.argument("task_id")
@json_option
@pass_project
def command(project: Project, task_id: str, as_json: bool) -> int:
    """Say what happened to the task TASK_ID, and what that rests on.

    Exit code 1 if nothing is known of it.
    """
    from celeriac.control.why import explain

    answer = explain(project.plan, project.app(), task_id)
    if as_json:
        print_json(answer)
    else:
        click.secho(answer.sentence, bold=True)
        width = max((len(name) for name in answer.facts), default=0)
        for name, value in answer.facts.items():
            click.echo(f"  {name:<{width}}  {value}")
        if answer.next_step:
            click.echo(f"  {answer.next_step}")
    return 1 if answer.verdict == "unknown" else 0
