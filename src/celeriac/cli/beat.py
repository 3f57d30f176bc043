"""`celeriac beat`: Celery's beat, with the plan's schedules."""

from __future__ import annotations

from typing import Any

import click

from celeriac.cli.context import Project, pass_project


@click.command()
@pass_project
def command(project: Project) -> None:
    """Run the beat, which sends the plan's schedules.

    Run one per project: two would send every task twice. It keeps when it last sent what in `.celeriac/`,
    or in the file CELERY_BEAT_SCHEDULE names; CELERY_LOGLEVEL sets how much it says.
    """
    import os

    from celery import signals

    from celeriac.cli.worker import shorten_logs
    from celeriac.supervise.lifeline import say_ready

    plan = project.plan
    plan.state_folder.mkdir(parents=True, exist_ok=True)
    app = project.app()
    shorten_logs(app)

    def ready(**_: Any) -> None:
        say_ready()

    signals.beat_init.connect(ready, weak=False)
    app.Beat(
        schedule=os.environ.get("CELERY_BEAT_SCHEDULE") or str(plan.state_folder / "beat-schedule"),
        loglevel=os.environ.get("CELERY_LOGLEVEL") or "INFO",
        quiet=True,
    ).run()
