"""`make bench`: measure every setup in turn, round after round, and report the medians."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console
from tests.servers.redis_server import running_redis

from benchmarks import report
from benchmarks.measures import Bench, measure
from benchmarks.setups import SETUPS, environ_of

#: On a disk, as in production: a system's temporary folder is often in memory, where syncing costs nothing.
FOLDERS = Path(__file__).resolve().parents[1] / "build"


@click.command()
@click.option(
    "--rounds", default=3, show_default=True, type=click.IntRange(1), help="Rounds; medians are reported."
)
@click.option(
    "--only", default="", metavar="TEXT", help="Only setups whose title contains this; writes no results."
)
@click.option(
    "--scale",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0.01, 100.0),
    help="Times the tasks of a setup.",
)
def main(rounds: int, only: str, scale: float) -> None:
    """Measure Celeriac and its peers in one run; results land in benchmarks/results/."""
    # In a log there is no terminal to fit the table into.
    console = Console(width=None if sys.stdout.isatty() else 140)
    chosen = [setup for setup in SETUPS if only.lower() in setup.title.lower()]
    if not chosen:
        raise click.UsageError(
            f"no setup's title contains {only!r}; known: {'; '.join(s.title for s in SETUPS)}"
        )
    # An interrupted run unwinds as any other, and so ends its workers.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    FOLDERS.mkdir(exist_ok=True)
    taken: report.Rounds = {setup.title: [] for setup in chosen}
    load_before = os.getloadavg()[0]
    # Interleaved: whatever else slows the machine for a minute slows every setup's round alike.
    for number in range(1, rounds + 1):
        for setup in chosen:
            with tempfile.TemporaryDirectory(prefix="bench-", dir=FOLDERS) as folder:
                path = Path(folder)
                (path / "redis").mkdir()
                with running_redis(path / "redis") as redis:
                    bench = Bench(setup, path, environ_of(setup, path, redis))
                    figures = measure(bench, max(10, int(setup.tasks * scale)))
            taken[setup.title].append(figures)
            console.print(f"round {number}: {setup.title}: {_line(figures)}", highlight=False)
    report.show(taken, console)
    if not only and scale >= 1:
        console.print(f"raw figures: {report.write(taken, load_before=load_before)}", highlight=False)


def _line(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:,.1f}" for name, value in figures.items())


main()
