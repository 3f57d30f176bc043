"""`celeriac render`: the plan as the files other tools run it by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from celeriac.cli.context import Project, pass_project
from celeriac.errors import CommandError

if TYPE_CHECKING:
    from celeriac.plan import Plan


def targets(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a target in a shell."""
    from celeriac.deploy.renderers import TARGETS

    return [name for name in TARGETS if name.startswith(incomplete)]


@click.command()
@click.argument("target", shell_complete=targets)
@click.option(
    "--output",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the files there; else they are printed.",
)
@click.option(
    "--diff", "compare", is_flag=True, help="Show how DIR differs; exit code 1 if it does. Writes nothing."
)
@click.option("--force", is_flag=True, help="Overwrite files that were changed by hand.")
@pass_project
def command(project: Project, target: str, output: Path | None, compare: bool, force: bool) -> int:
    """Render the plan as the files other tools run it by.

    TARGET is compose, dockerfile, env, grafana, helm, keda, kubernetes, prometheus, systemd or supervisor. The same
    plan gives the same files on every machine: of the environment only those variables are read that have no default
    in the plan. Files changed by hand are noticed, and never overwritten without --force. --diff compares with DIR, or
    with the plan's folder.
    """
    from celeriac.deploy.folder import RenderedFolder
    from celeriac.deploy.renderers import render

    plan = deterministic(project)
    files = render(plan, target)
    if compare:
        lines = list(RenderedFolder(output or plan.folder, target).differences(files))
        for line in lines:
            click.secho(line, fg=_COLOURS.get(line[:1]))
        return 1 if lines else 0
    if output is None:
        show(files)
        return 0
    written = RenderedFolder(output, target).write(files, force=force)
    for word in ("new", "changed", "removed"):
        for path in getattr(written, word):
            click.echo(f"{word:8} {output / path}")
    if written.same:
        click.echo(f"{len(written.same)} as {'they were' if len(written.same) > 1 else 'it was'}")
    return 0


_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def show(files: dict[str, str]) -> None:
    """Print the files; of several, each under its path."""
    for path, text in files.items():
        if len(files) > 1:
            click.echo(f"# ---- {path}")
        click.echo(text, nl=False)


def deterministic(project: Project) -> Plan:
    """Read the plan as every machine reads it: a variable with a default has that, whatever this environment says.

    Raises: CommandError UP-013 if there is no plan file; PlanError if it does not hold.
    """
    from celeriac.deploy.targets import read_plan_as_written

    path = project.plan_file
    if path is None:
        raise CommandError(
            "UP-013",
            "there is no plan here to render",
            at=str(Path.cwd()),
            known=["celeriac.toml", "[tool.celeriac] in pyproject.toml"],
            fix="write a celeriac.toml; `celeriac adopt` writes one for an app that exists",
        )
    return read_plan_as_written(path, project.environment)
