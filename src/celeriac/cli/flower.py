"""`celeriac flower`: Celery's web monitor, as the plan says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from celeriac.cli.context import Project, pass_project
from celeriac.errors import CommandError

if TYPE_CHECKING:
    from celeriac.plan import Flower, Plan


@click.command()
@click.argument("name", required=False)
@click.option("--address", metavar="HOST:PORT", help="Listen here; else where the plan says.")
@pass_project
def command(project: Project, name: str | None, address: str | None) -> int:
    """Run Flower as the plan says, one of several by NAME.

    Without NAME it is that of [flower], or Flower at 127.0.0.1:5555 if the plan has none; with it, that of
    [flowers.NAME]. Options of Flower that the plan does not know are taken from FLOWER_… variables and from a
    flowerconfig.py here. Needs the extra `flower`.
    """
    import logging
    import os

    from celeriac.app.flower import run_flower
    from celeriac.supervise.lifeline import say_ready

    logging.basicConfig(
        level=(os.environ.get("CELERY_LOGLEVEL") or "INFO").upper(),
        format="%(asctime)s %(levelname)-7s %(message)s",
    )
    plan = project.hold_broker()
    flower = chosen(plan, name)
    if address is not None:
        flower = listening(flower, address)
    shown = f"http://{flower.address}/{flower.url_prefix.strip('/')}"

    def ready() -> None:
        click.echo(f"Flower listens at {shown}")
        say_ready()

    return run_flower(project.app(), plan, flower, ready)


def listening(flower: Flower, address: str) -> Flower:
    """Give the Flower at another address.

    Raises: CommandError UP-018 if it is none.
    """
    from msgspec.structs import replace

    from celeriac.plan.flowers import host_and_port

    if host_and_port(address) is None:
        raise CommandError(
            "UP-018",
            f'"{address}" is no address to listen at',
            at="--address",
            fix="write host and port, like 0.0.0.0:5555",
        )
    return replace(flower, address=address)


def chosen(plan: Plan, name: str | None) -> Flower:
    """Give the Flower of that name.

    Raises: CommandError UP-015 if the plan has none.
    """
    from celeriac.plan import Flower

    if name is None:
        return plan.flower or Flower()
    if name not in plan.flowers:
        raise CommandError(
            "UP-015",
            f'there is no Flower "{name}"',
            known=list(plan.flowers),
            fix=f"add [flowers.{name}] to the plan",
        )
    return plan.flowers[name]
