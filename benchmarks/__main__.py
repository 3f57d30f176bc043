"""`make bench`: measure every system in turn, round after round, and report the medians."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console

from benchmarks import report
from benchmarks.depths import measure_depths
from benchmarks.groups import measure_groups
from benchmarks.measures import FULL, QUICK, Figures, measure, measure_naps
from benchmarks.systems import SYSTEMS, System

#: On a disk, as in production: a system's temporary folder is often in memory, where syncing costs nothing.
FOLDERS = Path(__file__).resolve().parents[1] / "build"
#: a machine with more to do than this, a core, has other work than ours
QUIET_LOAD = 0.25


@click.command()
@click.option("--quick", is_flag=True, help="One round of fewer tasks, results stored; within 4 minutes.")
@click.option("--rounds", default=2, show_default=True, type=click.IntRange(1), help="Medians are reported.")
@click.option("--only", default="", metavar="TEXT", help="Only systems whose name contains this.")
@click.option("--loaded", is_flag=True, help="Measure although the machine has other work to do.")
@click.option("--stored/--ignored", "results", default=None, help="Only with results stored, or ignored.")
def main(quick: bool, rounds: int, only: str, loaded: bool, results: bool | None) -> None:
    """Measure Celeriac and its peers in one run. A run of all systems writes benchmarks/results/."""
    # In a log there is no terminal to fit the table into.
    console = Console(width=None if sys.stdout.isatty() else 220)
    chosen = [system for system in SYSTEMS if only.lower() in system.name.lower()]
    if not chosen:
        raise click.UsageError(
            f"no system's name contains {only!r}; known: {'; '.join(s.name for s in SYSTEMS)}"
        )
    load_before = _check_load(loaded)
    # An interrupted run unwinds as any other, and so ends its workers.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    FOLDERS.mkdir(exist_ok=True)
    ways = [True] if quick else [True, False]
    ways = [stored for stored in ways if results is None or stored == results]
    taken: report.Rounds = {
        "stored" if stored else "ignored": {s.name: [] for s in chosen} for stored in ways
    }
    for number in range(1, (1 if quick else rounds) + 1):
        # Interleaved: whatever else slows the machine for a minute slows every system's round alike.
        for stored in ways:
            for system in chosen:
                try:
                    figures = _measure(system, quick=quick, stored=stored)
                except (TimeoutError, RuntimeError) as trouble:
                    if system.is_ours:
                        raise
                    # A peer that loses or forgets tasks has no figures in this round; the others have.
                    console.print(f"round {number}: {system.name}: void: {trouble}", highlight=False)
                    continue
                taken["stored" if stored else "ignored"][system.name].append(figures)
                console.print(f"round {number}: {system.name}: {_line(figures)}", highlight=False)
    is_whole = not (only or results is not None)
    depths = _depths(1_000_000 if not quick else 50_000) if is_whole else {}
    groups = _groups() if is_whole else {}
    report.show(taken, console)
    if depths:
        console.print(report.depths_line(depths), highlight=False)
    if groups:
        console.print(report.groups_line(groups), highlight=False)
    if is_whole:
        raw = report.write(
            taken, depths, groups, report.machine(load_before), kind="quick" if quick else "peers"
        )
        console.print(f"raw figures: {raw}\nto show them: python -m benchmarks.publish", highlight=False)


def _check_load(loaded: bool) -> float:
    """Give the load before the run.

    Raises: click.ClickException if others are at work and nobody said that is known.
    """
    load = os.getloadavg()[0]
    cores = len(os.sched_getaffinity(0))
    if load > QUIET_LOAD * cores:
        if not loaded:
            raise click.ClickException(
                f"the machine has other work to do: load {load:.1f} on {cores} cores.\n"
                "  fix: wait until it is quiet, or say --loaded and trust nothing but ratios"
            )
        click.echo(
            f"warning: load {load:.1f} on {cores} cores: only ratios within this run mean something", err=True
        )
    return load


def _measure(system: System, *, quick: bool, stored: bool) -> Figures:
    extent = QUICK if quick else FULL
    with tempfile.TemporaryDirectory(prefix="bench-", dir=FOLDERS) as folder:
        figures = measure(system, Path(folder), extent, stored=stored)
    if stored and system.nappers:
        with tempfile.TemporaryDirectory(prefix="bench-", dir=FOLDERS) as folder:
            figures |= measure_naps(system, Path(folder), extent)
    return figures


def _depths(deep: int) -> Figures:
    with tempfile.TemporaryDirectory(prefix="bench-", dir=FOLDERS) as folder:
        return measure_depths(Path(folder), deep)


def _groups() -> Figures:
    with tempfile.TemporaryDirectory(prefix="bench-", dir=FOLDERS) as folder:
        return measure_groups(Path(folder))


def _line(figures: Figures) -> str:
    return ", ".join(f"{name} {value:,.1f}" for name, value in figures.items())


main()
