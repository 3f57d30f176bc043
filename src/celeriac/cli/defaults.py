"""The plan of an app that has no plan file: what the app says itself, one pool for all of its queues."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from celeriac.plan import Beat, Plan, Pool, Queue
from celeriac.tasks.runtime import Runtime

if TYPE_CHECKING:
    from celery import Celery

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
    names = tuple(dict.fromkeys(_queues(app)))
    return replace(
        bare,
        name=app.main or app_path.partition(".")[0].partition(":")[0],
        broker=app.conf.broker_url or bare.broker,
        results=app.conf.result_backend or bare.results,
        queues={name: Queue() for name in names},
        pools={POOL: Pool(queues=names)},
        beat=Beat(replicas=1 if app.conf.beat_schedule else 0),
    )


def _queues(app: Celery) -> Iterator[str]:
    """Name the queues the app sends to: those it declares, and those its routes and its tasks say."""
    yield from app.amqp.queues
    routes = [each for each in app.conf.task_routes or () if isinstance(each, dict)]
    said = [
        route.get("queue") if isinstance(route, dict) else route for it in routes for route in it.values()
    ]
    app.loader.import_default_modules()
    said += [getattr(task, "queue", None) for task in app.tasks.values()]
    yield from (name for name in said if isinstance(name, str))
