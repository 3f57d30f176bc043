"""`celeriac probe` by the long way, as `python -m celeriac probe`; the program `celeriac` answers it itself."""

from __future__ import annotations

import os

import click


@click.command()
@click.option("--worker", metavar="NAME", help="Only this worker: web-1, or web-1@host.")
@click.option(
    "--here", is_flag=True, help="Only workers of this host or container, where several share the folder."
)
@click.option(
    "--ready",
    is_flag=True,
    help="Healthy only if it takes tasks: not while it starts, looks for its broker, or stops.",
)
@click.option(
    "--stale",
    metavar="SECONDS",
    type=float,
    default=10.0,
    show_default=True,
    help="A loop that has not turned for this long hangs.",
)
@click.option(
    "--folder", metavar="PATH", help="The project's folder; else the nearest with a .celeriac/ here or above."
)
def command(worker: str | None, here: bool, ready: bool, stale: float, folder: str | None) -> int:
    """Say whether the workers of this host live.

    One line, and exit code 0 if so, 1 if not. Reads the heartbeat files in .celeriac/workers/ and nothing
    else: no plan, no app, no broker, so that it answers within milliseconds.
    """
    from celeriac_probe.probe import judge, nearest_project

    code, line = judge(
        folder or nearest_project(), worker, stale, ready=ready, host=os.uname().nodename if here else None
    )
    click.echo(line)
    return code
