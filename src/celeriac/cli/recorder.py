"""`celeriac recorder`: moves dead letters from their queue into the records."""

from __future__ import annotations

import click

from celeriac.cli.context import Project, pass_project


@click.command()
@pass_project
def command(project: Project) -> None:
    """Run the recorder, which keeps the dead letters.

    One per project is enough; more share the work. Letters wait safely in their queue while none runs. SIGTERM
    and Ctrl-C end it after the batch in hand; CELERY_LOGLEVEL sets how much it says.
    """
    import os
    from contextlib import closing

    from celeriac.app.hooking import tell_of_letters
    from celeriac.deadletters import Recorder
    from celeriac.observe.logs import set_up_logs
    from celeriac.records import Records
    from celeriac.supervise.lifeline import say_ready

    set_up_logs(project.declared, (os.environ.get("CELERY_LOGLEVEL") or "").upper() or None)
    letters = project.hold_broker().letters
    with closing(Records(project.plan.state, project.plan.folder)) as records:
        app = project.app()
        recorder = Recorder(app, records, queue=letters.queue, keep=letters.keep, on_new=tell_of_letters(app))
        recorder.run(on_ready=say_ready)
