"""The reads of `celeriac dead`: list, count, show and export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from celeriac.cli.context import Project, pass_project
from celeriac.cli.dead.filters import chosen, filter_options, letters_of, state_option
from celeriac.cli.dead.words import plain, print_document, print_letter, print_letters
from celeriac.cli.output import json_option, print_json, print_table, say_age


@click.command("list")
@filter_options
@state_option
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Show the newest of them."
)
@json_option
@pass_project
def list_(project: Project, limit: int, as_json: bool, **options: Any) -> None:
    """List dead letters, the newest first."""
    wanted = chosen(**options)
    with letters_of(project) as letters:
        page = letters.page(wanted, limit)
        if as_json:
            print_document([letters.document(letter) for letter in page])
            return
        if not page:
            click.echo("No dead letters." if _is_plain(options) else "No dead letters match.")
            return
        print_letters(page)
        total = letters.count(wanted)
        if total > len(page):
            click.echo(f"\n{len(page)} of {total}; --limit shows more, `celeriac dead count` sums them up")


@click.command()
@filter_options
@state_option
@json_option
@pass_project
def count(project: Project, as_json: bool, **options: Any) -> None:
    """Count dead letters by state, reason, task and queue."""
    import time

    with letters_of(project) as letters:
        counts = letters.counts(chosen(**options))
    if as_json:
        print_json(counts)
        return
    if not counts:
        click.echo("No dead letters." if _is_plain(options) else "No dead letters match.")
        return
    now = time.time()
    print_table(
        ["letters", "state", "reason", "task", "queue", "last died"],
        [
            (
                each.letters,
                each.state,
                plain(each.reason),
                None if each.task is None else plain(each.task),
                plain(each.queue),
                f"{say_age(now - each.last_died_at)} ago",
            )
            for each in counts
        ],
    )


@click.command()
@click.argument("letter_id", metavar="ID")
@json_option
@pass_project
def show(project: Project, letter_id: str, as_json: bool) -> None:
    """Show one letter: its call, its end, what became of it."""
    with letters_of(project) as letters:
        view = letters.show(letters.resolve(letter_id))
        if as_json:
            extra = {"unreadable": view.unreadable, "children": list(view.children)}
            print_document(letters.document(view.letter) | extra)
        else:
            print_letter(view)


@click.command()
@filter_options
@state_option
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file instead of standard output.",
)
@pass_project
def export(project: Project, output: Path | None, **options: Any) -> None:
    """Write dead letters as JSON lines.

    All fields, the newest letter first; the body is in base64, and decoded as "call" where it can be read.
    """
    with letters_of(project) as letters:
        lines = (json.dumps(each, default=str) for each in letters.export(chosen(**options)))
        if output is None:
            for line in lines:
                click.echo(line)
            return
        written = 0
        with output.open("w") as file:
            for line in lines:
                file.write(line + "\n")
                written += 1
    click.echo(f"{written} letters written to {output}", err=True)


def _is_plain(options: dict[str, Any]) -> bool:
    return all(value is None for value in options.values())
