"""`celeriac adopt`: read an existing Celery project, and write the plan that changes nothing of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from celeriac.cli.output import json_option, print_json
from celeriac.errors import AdoptError

if TYPE_CHECKING:
    from celeriac.adopting import Adoption

_STDOUT = Path("-")
#: told together: each has the same remedy
_KEPT = "ADOPT-150"


@click.command()
@click.argument(
    "folder", metavar="[PATH]", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option(
    "-A",
    "--app",
    "app_path",
    metavar="APP",
    help="The Celery app, as for `celery -A`; else it is looked for.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the plan here, - for standard output; else celeriac.toml where the app is imported from.",
)
@json_option
def command(folder: Path, app_path: str | None, output: Path | None, as_json: bool) -> int:
    """Write the plan of the Celery project in PATH, and list what to improve.

    The app is imported in a process of its own, as a worker would and no further: no task runs and no connection is
    made. The plan keeps everything as it is, which is proved by comparing every setting, task, route and schedule
    without it and with it. A file that is there is not overwritten.

    Exit codes: 0 the plan changes nothing, 1 something differs (it is listed), or the project cannot be read.
    """
    from celeriac.adopting import adopt_project

    if output is not None and output != _STDOUT:
        _refuse_overwriting(output)
    adoption = adopt_project(folder.absolute(), app_path)
    path = output or adoption.folder / "celeriac.toml"
    if path != _STDOUT:
        _refuse_overwriting(path)
        _write(path, adoption.text)
    if as_json:
        print_json({"plan": None if path == _STDOUT else str(path), **_document(adoption)})
    elif path == _STDOUT:
        click.echo(adoption.text, nl=False)
        _report(adoption, "the plan", err=True)
    else:
        _report(adoption, str(path))
    return 1 if adoption.differences else 0


def _refuse_overwriting(path: Path) -> None:
    if path.exists():
        raise AdoptError(
            "ADOPT-010",
            f"{path} is there already.",
            at=str(path),
            fix="name another file with --output, or - for standard output",
        )


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise AdoptError(
            "ADOPT-011",
            f"the plan cannot be written: {error.strerror}.",
            at=str(path),
            fix="name another file with --output",
        ) from error


def _document(adoption: Adoption) -> dict[str, object]:
    import msgspec

    document = msgspec.to_builtins(adoption, enc_hook=str)
    assert isinstance(document, dict)
    return document


def _report(adoption: Adoption, path: str, *, err: bool = False) -> None:
    counted = (
        f"{adoption.settings} settings, {_of(adoption.tasks, 'task')}, {_of(adoption.schedules, 'schedule')}"
    )
    click.echo(f"{path}: the plan of {adoption.app} (found by {adoption.found_at})", err=err)
    for pool in adoption.pools:
        click.echo(f"  pool {pool.name} reads {', '.join(pool.queues)}  ({pool.at})", err=err)
    if adoption.differences:
        click.secho(f"\nCompared without the plan and with it: {counted}. These differ:", fg="red", err=err)
        for each in adoption.differences:
            click.echo(f"  {each.what}: {each.before!r} → {each.after!r}", err=err)
    else:
        click.echo(f"\nCompared without the plan and with it: {counted}. They are the same.", err=err)
    for place in adoption.connected[:5]:
        click.echo(f"Importing it wanted to connect to {place}; no connection was made.", err=err)
    if adoption.advice:
        click.echo(f"\nWorth changing, one at a time ({len(adoption.advice)}):", err=err)
    kept = [advice for advice in adoption.advice if advice.code == _KEPT]
    for advice in adoption.advice:
        if advice not in kept:
            click.echo(f"\n{advice.code} {advice.message}\n  at: {advice.at}\n  fix: {advice.fix}", err=err)
    if kept:
        click.echo(f"\n{_KEPT} Celery's own values are kept; remove a line to take Celeriac's:", err=err)
        for advice in kept:
            click.echo(f"  {advice.at}: {advice.message}", err=err)
    click.echo("\nNext: celeriac check, then celeriac up in place of the commands above.", err=err)


def _of(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
