"""`celeriac worker`: one Celery worker of a pool, with the command line the plan gives it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import click

from celeriac.cli.completion import pool_names
from celeriac.cli.context import Project, broken_code, pass_project
from celeriac.errors import AppError, CeleriacError

if TYPE_CHECKING:
    from celery import Celery

_LOG_FORMAT = "%(asctime)s %(levelname)-7s %(message)s"
_TASK_LOG_FORMAT = "%(asctime)s %(levelname)-7s %(task_name)s[%(task_id)s] %(message)s"
#: while a worker finishes its last tasks, when it names them first, and how often after that
_SAY_FIRST_S, _SAY_EVERY_S = 2.0, 10.0


@click.command()
@click.argument("pool", shell_complete=pool_names)
@click.option(
    "--replica",
    type=click.IntRange(min=1),
    help="Which worker of the pool; else the first that does not run on this host.",
)
@pass_project
def command(project: Project, pool: str, replica: int | None) -> int:
    """Run one worker of POOL.

    It is the real `celery worker`; `celeriac plan` shows its command line. SIGTERM lets it finish what it
    runs.
    """
    from celeriac.plan import celery_arguments, celery_environ

    if pool in project.declared.pools:
        # Read when Celery's pools are first imported, which most of what follows does.
        os.environ.update(celery_environ(project.declared, pool))

    from celeriac.cli.number import claim_number
    from celeriac.observe.places import pulses_folder

    plan = project.hold_broker()
    number = claim_number(pulses_folder(plan), pool, replica) if pool in plan.pools else 1
    arguments = celery_arguments(plan, pool, number)
    # Greenlets replace the standard library's blocking calls; what is imported before keeps the old ones.
    from celery import maybe_patch_concurrency

    try:
        maybe_patch_concurrency(["celery", *arguments])
    except ImportError as error:
        raise AppError(
            "APP-012",
            f'pool "{pool}" needs a package that is not installed: {error}',
            fix=f'pip install "celeriac[{error.name}]"',
        ) from error
    app = project.app_of(pool)
    from celeriac.app.umbrella import run_worker

    shorten_logs(app)
    say_root_once()
    workers = attend(app)
    try:
        run_worker(app, arguments[1:])
    except (CeleriacError, click.ClickException):
        raise
    except Exception as error:
        if workers:
            raise
        # Celery imports the tasks before there is a worker: this is theirs, and its place says more than its traceback.
        raise broken_code(error) from error
    return int(workers[0].exitcode or 0) if workers else 0


def shorten_logs(app: Celery) -> None:
    """Log one short line per event, where the app does not say itself how it wants to log."""
    for setting, form in (("worker_log_format", _LOG_FORMAT), ("worker_task_log_format", _TASK_LOG_FORMAT)):
        if not app.conf.value_set_for(setting):
            app.conf[setting] = form


def say_root_once() -> None:
    """Say in one line what Celery says in six, for every worker, where it runs as root."""
    import os
    import warnings

    from celery import signals
    from celery.exceptions import SecurityWarning

    from celeriac.events import emit

    def say(**_: Any) -> None:
        emit("worker", "worker.is_root")

    warnings.filterwarnings(
        "ignore", message="You're running the worker with superuser", category=SecurityWarning
    )
    if os.geteuid() == 0:
        signals.worker_ready.connect(say, weak=False)


def attend(app: Celery) -> list[Any]:
    """Say when the worker is ready, and name what it still runs while it stops.

    Returns: a list in which Celery's worker appears once it exists.
    """
    from _thread import start_new_thread

    from celery import signals

    from celeriac.supervise.lifeline import say_ready

    workers: list[Any] = []

    def keep(sender: Any, **_: Any) -> None:
        workers.append(sender)

    def ready(**_: Any) -> None:
        say_ready()

    def stopping(**_: Any) -> None:
        # This was the grace. A SIGQUIT from now on means: drop what still runs, and do not wait for it once more.
        app.conf.worker_soft_shutdown_timeout = 0
        # Not Thread.start, which waits for the thread to begin: a greenlet's signal handler may not wait.
        start_new_thread(say_what_still_runs, ())

    signals.worker_init.connect(keep, weak=False)
    signals.worker_ready.connect(ready, weak=False)
    signals.worker_shutting_down.connect(stopping, weak=False)
    return workers


def say_what_still_runs() -> None:
    """Name the running tasks again and again, until the process ends."""
    from celery.worker import state

    from celeriac.events import emit
    from celeriac.pools.inhand import snapshot

    pause_s = _SAY_FIRST_S
    while True:
        time.sleep(pause_s)
        pause_s = _SAY_EVERY_S
        now = time.time()
        running = [
            f"{request.name}[{request.id}]" + (f" for {now - began:.0f}s" if began else "")
            for request in snapshot(state.active_requests)
            for began in [getattr(request, "time_start", None)]
        ]
        if running:
            emit("worker", "worker.finishing", count=len(running), tasks=", ".join(running[:10]))
