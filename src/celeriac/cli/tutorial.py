"""`celeriac tutorial`: ten minutes in the terminal, on a small project of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click


@click.command()
@click.option("--step", "names", multiple=True, metavar="NAME", help="Only this step. May be repeated.")
@click.option("--list", "list_", is_flag=True, help="List the steps and end.")
@click.option("--no-input", is_flag=True, help="Go on without waiting for Enter.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Make its project in this empty or new folder and leave it; else it is made aside and removed.",
)
def command(*, names: Sequence[str], list_: bool, no_input: bool, folder: Path | None) -> None:
    """See Celeriac at work in ten minutes, every claim counted.

    A task, workers that start one by one, a chain, many chains with the queues drawn as they move, a retry, a dead
    letter and its replay, a killed worker, a schedule. It makes a small project of its own, with the broker in a file,
    and needs no other. Each step says what to look at, waits for Enter, and counts whether it happened.

    Exit codes: 0 all of it happened, 1 something did not, 130 you left; nothing it started runs on in either case.
    """
    from celeriac.tutorial import (
        STEPS,
        NoWait,
        Reader,
        Screen,
        chosen_steps,
        leave_by_the_door,
        play,
        sample_project,
    )

    if list_:
        for step in STEPS:
            click.echo(f"{step.name:<10} {step.title}")
        return
    steps = chosen_steps(names)
    screen = Screen()
    pace = NoWait() if no_input else Reader(screen)
    leave_by_the_door()
    with sample_project(screen, folder) as stage:
        stage.pace = pace
        screen.head("Celeriac in ten minutes")
        screen.say(
            f"""It runs on a small project in {stage.plan.folder}, {"which stays" if folder else "removed at the end"}.
            Every claim with a mark before it was counted, at the broker or in the records."""
        )
        play(stage, steps)
    screen.end(
        f"To play on: cd {folder}; celeriac up" if folder else "Your own project: docs/getting-started.md"
    )
