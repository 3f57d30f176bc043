"""Flower, started as it is, with what the plan says of it."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from celery import Celery
from celery.app.control import Control, Inspect

from celeriac.errors import AppError
from celeriac.plan import Flower, Plan
from celeriac.plan.flowers import host_and_port

_SAVE_EVERY_MS = 10_000


def run_flower(app: Celery, plan: Plan, flower: Flower, on_ready: Callable[[], object]) -> int:
    """Run `celery flower` in this process until SIGTERM or Ctrl-C, and give its exit code.

    on_ready: called once it listens.
    What the plan leaves out may be said by Flower's own FLOWER_… variables and its flowerconfig.py.
    Raises: AppError if Flower is not installed, or cannot listen at its address.
    """
    if importlib.util.find_spec("flower") is None:
        raise AppError("APP-013", "Flower is not installed.", fix='pip install "celeriac[flower]"')
    # By variables, for a command line can be read by every user of the machine.
    for name, secret in (
        ("FLOWER_BASIC_AUTH", flower.auth),
        ("FLOWER_BROKER_API", whole_api(flower.broker_api)),
    ):
        if secret:
            os.environ[name] = secret
        elif not os.environ.get(name):
            # Flower takes an empty variable for a password that nobody can give.
            os.environ.pop(name, None)
    arguments = flower_arguments(flower, plan.state_folder.absolute())
    if flower.keep_history:
        plan.state_folder.mkdir(parents=True, exist_ok=True)
    if flower.pools:
        _show_only(app, Group(plan, flower.pools), arguments)

    from tornado.ioloop import IOLoop  # noqa: PLC0415 - comes with the extra

    # Called in the loop's first turn, which comes after the sockets are bound.
    IOLoop.current().add_callback(on_ready)
    try:
        return int(app.start(["--quiet", "flower", *arguments]) or 0)
    except OSError as error:
        raise AppError(
            "APP-014",
            f"Flower cannot listen at {flower.address}: {error.strerror}",
            fix="end what listens there, or write another address",
        ) from error


def flower_arguments(flower: Flower, folder: Path) -> list[str]:
    """Give the options of `celery flower`, without the secrets.

    folder: where its history is kept, under the port: no two Flowers of a host have the same.
    """
    host, port = host_and_port(flower.address) or ("", 0)
    prefix = [f"--url_prefix={flower.url_prefix.strip('/')}"] if flower.url_prefix else []
    history = [
        "--persistent=True",
        f"--db={folder / f'flower-{port}.db'}",
        f"--state_save_interval={_SAVE_EVERY_MS}",
    ]
    return [f"--address={host}", f"--port={port}", *prefix, *(history if flower.keep_history else [])]


def whole_api(url: str) -> str:
    """Give the URL of a management API as Flower must have it: with its path, and a slash at the end."""
    if not url:
        return url
    parts = urlsplit(url)
    return parts._replace(path=f"{parts.path.rstrip('/') or '/api'}/").geturl()


class Group:
    """The workers of some pools, known by their names, and the queues that they read."""

    def __init__(self, plan: Plan, pools: tuple[str, ...]) -> None:
        self.pattern = rf"(?:{'|'.join(map(re.escape, pools))})-[0-9]+@"
        self._queues = {queue for pool in pools for queue in plan.pools[pool].queues}

    def has(self, worker: str) -> bool:
        """Say whether a worker, like "web-1@host", is of one of the pools."""
        return re.match(self.pattern, worker) is not None

    def is_told(self, event: dict[str, Any]) -> bool:
        """Say whether an event is of the group: by its worker, or, where a sender tells it, by the queue."""
        if event["type"] == "task-sent":
            return event.get("queue") in self._queues
        return self.has(event["hostname"])


def _show_only(app: Celery, group: Group, arguments: list[str]) -> None:
    """Have Flower know the workers and the tasks of a group alone, and nothing of others."""
    from flower import command  # noqa: PLC0415 - an extra
    from flower.events import Events  # noqa: PLC0415
    from flower.urls import settings  # noqa: PLC0415
    from tornado.ioloop import IOLoop  # noqa: PLC0415
    from tornado.options import options  # noqa: PLC0415 - Flower's are defined there

    class GroupInspect(Inspect):
        def __init__(self, destination: Any = None, **options: Any) -> None:
            if not destination:
                options.update(pattern=group.pattern, matcher="pcre")
            super().__init__(destination=destination, **options)

    class GroupControl(Control):
        @property
        def inspect(self) -> Any:
            return self.app.subclass_with_self(GroupInspect, reverse="control.inspect")

    class GroupEvents(Events):
        def on_event(self, event: dict[str, Any]) -> None:
            if group.is_told(event):
                super().on_event(event)

    configurable: Any = app
    configurable.control_cls = GroupControl
    # Flower reads its options when it starts; what it keeps of events is sized by them.
    command.apply_env_options()
    command.apply_options("celeriac", tuple(arguments))
    settings["events"] = GroupEvents(
        app,
        io_loop=IOLoop.current(),
        db=options.db,
        persistent=options.persistent,
        state_save_interval=options.state_save_interval,
        enable_events=options.enable_events,
        max_workers_in_memory=options.max_workers,
        max_tasks_in_memory=options.max_tasks,
    )
