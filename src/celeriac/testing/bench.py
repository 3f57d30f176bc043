"""The bench of a test: its app on a broker of its own, with a worker, and everything that happened there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from celery import Celery
from celery.contrib.testing.worker import start_worker

from celeriac.errors import TestingError
from celeriac.plan import Plan
from celeriac.tasks.runtime import runtime_of
from celeriac.testing import transport
from celeriac.testing.expect import Expect
from celeriac.testing.inline import running_inline
from celeriac.testing.journal import Journal, Retrying, Sending
from celeriac.testing.letters import ExpectLetters, reading_letters
from celeriac.testing.process import running_process
from celeriac.testing.redirect import redirected

#: inline: in the thread that sends; worker: on a worker in a thread; process: on a worker in a process of its own
Mode = Literal["inline", "worker", "process"]
#: how long an assertion waits for a worker
_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Bench:
    """What a test works with.

    app, plan: of the tests, taken to `folder`.
    sent, retried, letters: what happened, to assert on.
    drain: inline, run what has come without being sent by this app; on a worker it does nothing.
    """

    app: Celery
    plan: Plan
    folder: Path
    sent: Expect[Sending]
    retried: Expect[Retrying]
    letters: ExpectLetters
    drain: Callable[[], None]


@contextmanager
def bench(
    app: Celery,
    folder: Path,
    mode: str = "inline",
    *,
    pool: str | None = None,
    app_path: str | None = None,
    project: Plan | None = None,
) -> Iterator[Bench]:
    """Take an app to a broker in `folder` and run its tasks as `mode` says, until the block ends.

    pool: in a process, the worker of this pool of the plan; None: one that reads every queue.
    app_path: where a process imports the app from, as for `celery -A`; None: it is made from the plan.
    project: the plan by which a process finds the project's modules; None: the app's.
    Raises: TestingError if there is no such mode or pool, or the worker does not start.
    """
    if mode not in get_args(Mode):
        raise TestingError(
            "TEST-001",
            f'there is no mode "{mode}" to run tasks in.',
            known=get_args(Mode),
            fix="name one of these",
        )
    own: Plan = project or runtime_of(app).plan
    if pool is not None and (mode != "process" or pool not in own.pools):
        raise TestingError(
            "TEST-004",
            f'no worker process of a pool "{pool}" can be run.',
            known=list(own.pools),
            fix='write celeriac("process", pool="…") with one of these',
        )
    with ExitStack() as stack:
        is_inline = mode == "inline"
        if is_inline:
            transport.forget_everything()
        plan = stack.enter_context(redirected(app, folder, transport.URL if is_inline else None))
        journal = Journal(folder / "journal")
        stack.callback(journal.watch())
        within = 0.0 if is_inline else _PATIENCE_S
        drain: Callable[[], None] = _do_nothing
        if is_inline:
            drain = stack.enter_context(running_inline(app))
        elif mode == "worker":
            stack.enter_context(start_worker(app, perform_ping_check=False, pool="solo"))
        else:
            stack.enter_context(running_process(own, app_path, folder, pool))
        letters = stack.enter_context(reading_letters(app, plan, within, drain))
        yield Bench(
            app=app,
            plan=plan,
            folder=folder,
            sent=Expect("sent", journal.sent, within),
            retried=Expect("retried", journal.retried, within),
            letters=letters,
            drain=drain,
        )


def _do_nothing() -> None:
    """Leave it to the worker."""
