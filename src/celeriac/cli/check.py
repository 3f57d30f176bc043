"""`celeriac check`: every problem of the plan at once."""

from __future__ import annotations

import click

from celeriac.cli.context import Project, pass_project
from celeriac.cli.output import json_option, print_json, say_broker
from celeriac.errors import CeleriacError, PlanError


@click.command()
@click.option("--no-app", is_flag=True, help="Do not import the app; task names are not checked then.")
@json_option
@pass_project
def command(project: Project, no_app: bool, as_json: bool) -> int:
    """Prove that the plan holds together: queues, pools, tasks, schedules, limits.

    Exit code 1 if it does not.
    """
    problems = find_problems(project, no_app)
    errors = [it for it in problems if severity(it) == "error"]
    if as_json:
        print_json(
            {
                "ok": not errors,
                "problems": [
                    {
                        "severity": severity(it),
                        "code": it.code,
                        "message": it.message,
                        "at": it.at,
                        "known": it.known,
                        "fix": it.fix,
                    }
                    for it in problems
                ],
            }
        )
        return 1 if errors else 0
    for problem in problems:
        click.echo(f"{severity(problem)}: {problem}", err=True)
    if errors:
        click.echo(f"{len(errors)} error{'s' if len(errors) > 1 else ''}", err=True)
        return 1
    plan = project.declared
    if plan.brokers:
        click.echo(f"broker: {say_broker(project.look_for_broker())}")
    click.echo(
        f"{plan.source or plan.app}: holds together "
        f"({len(plan.queues)} queues, {len(plan.pools)} pools, {len(plan.schedules)} schedules)"
    )
    return 0


def severity(problem: CeleriacError) -> str:
    """Say how bad it is: an app that cannot be imported is always an error."""
    return problem.severity if isinstance(problem, PlanError) else "error"


def find_problems(project: Project, no_app: bool) -> list[CeleriacError]:
    """Read the plan, import the app unless told not to, and gather what is wrong with either."""
    from celeriac.plan import check

    try:
        plan = project.declared
    except PlanError as error:
        return list(error.problems)
    if no_app:
        return list(check(plan))
    try:
        names = set(project.app(with_tasks=True).tasks)
    except CeleriacError as error:
        return [error, *check(plan)]
    return list(check(plan, names))
