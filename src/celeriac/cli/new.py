"""`celeriac new`: a project to start from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from celeriac.errors import CommandError

if TYPE_CHECKING:
    from celeriac.scaffold import Change


@click.command()
@click.argument("name", metavar="NAME", type=click.Path(path_type=Path))
@click.option("--template", metavar="TEMPLATE", help="What kind of project; without it, they are listed.")
@click.option("--broker", default="sqlite", show_default=True, help="sqlite, redis or rabbitmq.")
@click.option(
    "--celeriac",
    "requirement",
    metavar="REQUIREMENT",
    help="Which Celeriac it installs: a requirement, or the path or URL of a checkout; else this version or later.",
)
@click.option(
    "--update", "updating", is_flag=True, help="Bring the project NAME up to this version's template."
)
def command(name: Path, template: str | None, broker: str, requirement: str | None, updating: bool) -> None:
    """Make a project in the folder NAME: tasks, plan, tests, Dockerfile, CI, ready to run.

    A folder that holds something is refused. Projects of the templates etl, ml and analytics are called
    worker-celery-PURPOSE.
    """
    from celeriac.scaffold import TEMPLATES, Answers, default_requirement, generate, update

    if updating:
        _show(update(name))
        return
    if template is None:
        raise CommandError(
            "UP-030",
            "no template is named",
            at="--template",
            known=[f"{each} ({what})" for each, what in TEMPLATES.items()],
            fix=f"write one, like celeriac new {name} --template {next(iter(TEMPLATES))}",
        )
    answers = Answers(
        name=name.absolute().name,
        template=template,
        broker=broker,
        celeriac=requirement or default_requirement(),
    )
    files = generate(name, answers)
    click.echo(
        f"{name}: {len(files)} files. Next:\n\n  cd {name}\n  make demo\n\nREADME.md says what there is."
    )


def _show(changes: list[Change]) -> None:
    words = {
        "added": "new",
        "replaced": "replaced",
        "merged": "merged with your changes",
        "beside": "changed by you and by the template: the template's is {path}.new",
        "left": "no longer generated; it is yours now",
    }
    for change in changes:
        click.echo(f"{change.path}: {words[change.outcome].format(path=change.path)}")
    click.echo(f"{len(changes)} files changed" if changes else "nothing has changed")
