"""The plan of an app that has no plan file: what the app says itself, one pool for all of its queues."""

from __future__ import annotations

from pathlib import Path

from celeriac.plan import Plan, Pool, Queue
from celeriac.tasks.runtime import Runtime

#: the one pool, as in `celeriac worker default`
POOL = "default"


def plan_around(app_path: str, folder: Path) -> Plan:
    """Give the plan to run an existing app by; an app that was made with a plan in Python has its own.

    app_path: as for `celery -A`; folder: where it is imported from, and where `.celeriac/` is.
    Raises: AppError if there is no such app.
    """
    from msgspec.structs import replace

    from celeriac.app import load_app

    bare = Plan(app=app_path, folder=folder)
    app = load_app(bare, app_path)
    runtime = getattr(app, "celeriac", None)
    if isinstance(runtime, Runtime) and runtime.plan.pools:
        return replace(runtime.plan, app=app_path)
    letters = bare.letters.queue
    names = [name for name in app.amqp.queues if name != letters]
    return replace(
        bare,
        name=app.main or app_path.partition(".")[0].partition(":")[0],
        broker=app.conf.broker_url or bare.broker,
        results=app.conf.result_backend or bare.results,
        queues={name: Queue() for name in names},
        pools={POOL: Pool(queues=tuple(names))},
    )
