"""A real worker process for a test, on the test's own broker.

python -m celeriac.testing.process          what the test starts; told by the environment what to run
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
from celery import Celery, signals
from msgspec.structs import replace

from celeriac.app import load_app
from celeriac.app.umbrella import run_worker
from celeriac.errors import TestingError
from celeriac.plan import Plan, Pool, celery_arguments, celery_environ, read_plan
from celeriac.supervise import lifeline
from celeriac.testing.journal import Journal
from celeriac.testing.redirect import moved, redirected
from celeriac.testing.waiting import until

_VARIABLE = "CELERIAC_TESTING"
_STARTS_WITHIN_S = 60.0
_STOPS_WITHIN_S = 15.0
_TAIL_CHARS = 4000


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is to run.

    plan: the plan's file, if any; app_path: as for `celery -A`; pool: None: one worker for every queue.
    """

    folder: str
    project: str
    path: list[str]
    plan: str | None
    app_path: str | None
    pool: str | None


@contextmanager
def running_process(plan: Plan, app_path: str | None, folder: Path, pool: str | None) -> Iterator[None]:
    """Run a worker until the block ends.

    plan: the project's own, unmoved. Raises: TestingError, with the worker's last lines, if it does not start.
    """
    if plan.source is None and app_path is None:
        raise TestingError(
            "TEST-002",
            "a worker process cannot import the app of these tests: there is neither a plan file nor a path.",
            known=["celeriac_plan = celeriac.toml", "celeriac_app = proj.celery:app"],
            fix="name one of them in pytest's configuration",
        )
    order = Order(
        folder=str(folder),
        project=str(plan.folder.absolute()),
        path=[each for each in sys.path if each],
        plan=None if plan.source is None else str(plan.source),
        app_path=app_path,
        pool=pool,
    )
    log = folder / "worker.log"
    # A worker must not outlive its tests, also when pytest is killed -9: then this line breaks.
    line, its_line = socket.socketpair()
    with log.open("wb") as out, its_line:
        process = subprocess.Popen(
            [sys.executable, "-m", "celeriac.testing.process"],
            cwd=order.project,
            env={
                **os.environ,
                **_environ(plan, pool),
                _VARIABLE: msgspec.json.encode(order).decode(),
                lifeline.VARIABLE: f"{its_line.fileno()}:{_STOPS_WITHIN_S}",
            },
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            pass_fds=(its_line.fileno(),),
            start_new_session=True,
        )
    try:
        ready = folder / "worker.ready"
        until(lambda: ready.exists() or process.poll() is not None, _STARTS_WITHIN_S)
        if not ready.exists():
            raise TestingError(
                "TEST-003",
                f"the worker process did not start:\n{log.read_text(errors='replace')[-_TAIL_CHARS:]}",
                at=str(log),
                fix="mend what its last lines say",
            )
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        line.close()


def worker_of(plan: Plan, pool: str | None) -> tuple[Plan, str]:
    """Give the plan with the pool to run; None: the first one, made to read every queue."""
    if pool is not None:
        return plan, pool
    pool = next(iter(plan.pools), "tests")
    every = tuple(plan.queues) or (plan.default_queue,)
    first = plan.pools.get(pool, Pool(queues=every, executor="solo"))
    return replace(plan, pools={pool: replace(first, queues=every)}), pool


def _environ(plan: Plan, pool: str | None) -> dict[str, str]:
    plan, pool = worker_of(plan, pool)
    # A pool that is not there is the worker's to name.
    return celery_environ(plan, pool) if pool in plan.pools else {}


def _main(order: Order) -> None:
    lifeline.follow()
    folder = Path(order.folder)
    sys.path[:] = [order.project, *(each for each in order.path if each not in sys.path), *sys.path]
    plan = read_plan(order.plan) if order.plan else Plan(folder=Path(order.project))
    app: Celery = load_app(moved(plan, folder), order.app_path)
    with ExitStack() as stack:
        here = stack.enter_context(redirected(app, folder))
        stack.callback(Journal(folder / "journal").watch())

        def say_ready(**_: object) -> None:
            (folder / "worker.ready").touch()

        signals.worker_ready.connect(say_ready, weak=False)
        run_worker(app, celery_arguments(*worker_of(here, order.pool))[1:])


if __name__ == "__main__":
    _main(msgspec.json.decode(os.environ[_VARIABLE], type=Order))
