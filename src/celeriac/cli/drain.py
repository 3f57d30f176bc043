"""`celeriac drain`: let the workers of this host finish what they run, and end."""

from __future__ import annotations

from pathlib import Path

import click

from celeriac.cli.context import Project, pass_project
from celeriac.errors import AlreadyRunning, CommandError
from celeriac.units import duration


@click.command()
@click.option("--worker", metavar="NAME", help="Only this worker: web-1, or web-1@host.")
@click.option(
    "--within", metavar="SPAN", help='Wait no longer than this, like "60s"; else until all have ended.'
)
@click.option(
    "--folder",
    metavar="PATH",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The project's folder; else the plan's, or the nearest with a .celeriac/ here or above.",
)
@pass_project
def command(project: Project, worker: str | None, within: str | None, folder: Path | None) -> int:
    """Let the workers of this host finish what they run, and end.

    They take no more tasks; what they have fetched and not begun goes back to its queue. Returns when all have ended,
    with exit code 1 if some have not in time. A cluster calls it before it stops a pod. Workers of other hosts or
    containers are left alone; under `celeriac up` it is `up` that is to be stopped.
    """
    from celeriac.control.drain import drain

    span = None
    if within is not None:
        try:
            span = duration(within)
        except ValueError as error:
            raise CommandError("UP-051", str(error), at="--within", fix='write it like "60s"') from error
    home = folder or _home(project)
    _refuse_under_up(home)
    left = drain(home, worker, span, lambda name: click.echo(f"{name}: asked to finish"))
    for name in left:
        click.echo(f"{name}: still runs", err=True)
    if not left:
        click.echo("drained")
    return 1 if left else 0


def _home(project: Project) -> Path:
    from celeriac_probe.probe import nearest_project

    file = project.plan_file
    return file.parent if file is not None else Path(nearest_project())


def _refuse_under_up(folder: Path) -> None:
    """See that nothing would start the workers again.

    Raises: AlreadyRunning UP-052 if `celeriac up` runs here.
    """
    from celeriac.control.processes import up_lock_held

    if up_lock_held(folder / ".celeriac"):
        raise AlreadyRunning(
            "UP-052",
            "`celeriac up` runs these workers, and would start them again",
            at=str(folder),
            fix="stop `celeriac up`, which drains them; or scale the pool down in the plan",
        )
