"""`celeriac beat`: one of the beats that send the project's schedules."""

from __future__ import annotations

from typing import Any

import click

from celeriac.cli.context import Project, pass_project


@click.command()
@pass_project
def command(project: Project) -> None:
    """Run the beat, which sends the schedules.

    Run as many as you like: one leads, and another takes over when it falls silent. Schedules come from the plan,
    from the app's code and from django-celery-beat's tables, where Django has them. CELERY_LOGLEVEL sets how much
    it says. No file is kept; CELERY_BEAT_SCHEDULE names one for an app that has set another `beat_scheduler`.
    """
    import os

    from celery import platforms, signals
    from celery.apps.beat import Beat

    from celeriac.cli.worker import shorten_logs
    from celeriac.schedule.scheduler import scheduler_class
    from celeriac.supervise.lifeline import say_ready

    logs = project.hold_broker().logs
    app = project.app()
    shorten_logs(app)

    def ready(**_: Any) -> None:
        say_ready()

    class Stopping(Beat):
        def install_sync_handler(self, service: Any) -> None:
            # Celery's own would end us between a publish and its mark; the loop ends within half a second by itself.
            def stop(*_: Any) -> None:
                service.stop()

            platforms.signals.update(SIGTERM=stop, SIGINT=stop)

    signals.beat_init.connect(ready, weak=False)
    Stopping(
        app=app,
        scheduler=scheduler_class(app),
        schedule=os.environ.get("CELERY_BEAT_SCHEDULE"),
        loglevel=os.environ.get("CELERY_LOGLEVEL") or (logs.level if logs else "INFO"),
        quiet=True,
    ).run()
