"""`celeriac recorder`: moves dead letters, and what workers tell of task runs, into the records."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import click

from celeriac.cli.context import Project, pass_project

if TYPE_CHECKING:
    from celeriac.plan import Plan

#: how long the recorder of letters waits for that of runs before it says it is ready, and for its end
_PATIENCE_S = 8.0


@click.command()
@pass_project
def command(project: Project) -> None:
    """Run the recorder, which keeps the dead letters and the runs.

    One per project is enough; more share the letters. These wait safely in their queue while none runs, but what
    happens to tasks meanwhile is on no record. SIGTERM and Ctrl-C end it after the batch in hand; CELERY_LOGLEVEL
    sets how much it says.
    """
    import os

    from celeriac.app.hooking import tell_of_letters
    from celeriac.deadletters import Recorder
    from celeriac.observe.logs import set_up_logs
    from celeriac.records import Records
    from celeriac.supervise.lifeline import say_ready

    set_up_logs(project.declared, (os.environ.get("CELERY_LOGLEVEL") or "").upper() or None)
    plan = project.hold_broker()
    letters = plan.letters
    with closing(Records(plan.state, plan.folder)) as records, recording_runs(project, plan) as await_runs:

        def ready() -> None:
            await_runs()
            say_ready()

        app = project.app()
        recorder = Recorder(app, records, queue=letters.queue, keep=letters.keep, on_new=tell_of_letters(app))
        recorder.run(on_ready=ready)


@contextmanager
def recording_runs(project: Project, plan: Plan) -> Iterator[Callable[[], object]]:
    """Record runs beside the block if the plan keeps them; gives what waits until that has begun."""
    if plan.records is None:
        yield lambda: None
        return
    from celeriac.observe.recorder import RunRecorder
    from celeriac.records import Runs

    listens = threading.Event()
    with closing(Runs(plan.state, plan.folder)) as runs:
        recorder = RunRecorder(project.app(), runs, plan.records)
        thread = threading.Thread(target=recorder.run, args=(listens.set,), name="runs", daemon=True)
        thread.start()
        try:
            yield lambda: listens.wait(_PATIENCE_S)
        finally:
            recorder.stop()
            thread.join(_PATIENCE_S)
