"""The typed values of a plan: what a team declares once.

Every struct is frozen; a default stands beside its field with its unit. Durations are timedeltas, sizes are bytes.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec

Executor = Literal["prefork", "threads", "solo", "gevent", "eventlet"]
ProfileName = Literal["io", "cpu", "ram", "custom"]
WhenFull = Literal["block", "reject"]


class Queue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A named queue on the broker.

    max_wait: the objective; a message that waits longer is late (`celeriac queues` says so).
    max_length: messages the queue may hold, waiting, delayed and being worked on; None: no bound.
    when_full: "block" makes a sender wait for room (30 s at most), "reject" refuses at once; both lose nothing.
    """

    max_wait: timedelta | None = None
    max_length: int | None = None
    when_full: WhenFull = "block"


class Autoscale(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds between which a prefork worker grows and shrinks its slots."""

    min: int
    max: int


class Pool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A named kind of worker. A field left None takes the profile's value, else Celery's."""

    queues: tuple[str, ...]
    profile: ProfileName = "custom"
    executor: Executor | None = None
    concurrency: int | None = None
    autoscale: Autoscale | None = None
    prefetch: int | None = None
    time_limit: timedelta | None = None
    soft_time_limit: timedelta | None = None
    max_tasks_per_child: int | None = None
    max_memory_per_child: int | None = None
    grace: timedelta = timedelta(seconds=60)
    replicas: int = 1


class Retry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When and how a failed task is tried again.

    limit: retries after the first run; None: without limit.
    backoff: the first ceiling; doubled with every retry up to `cap`.
    jitter: True draws the delay evenly from 0 to the ceiling ("full jitter"), False waits the ceiling.
    on: dotted names of exception classes; only these, and their subclasses, are retried.
    """

    limit: int | None = 3
    backoff: timedelta = timedelta(seconds=1)
    cap: timedelta = timedelta(minutes=10)
    jitter: bool = True
    on: tuple[str, ...] = ("builtins.Exception",)


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the plan says of a task."""

    queue: str | None = None
    priority: int | None = None
    retry: Retry | None = None
    time_limit: timedelta | None = None
    soft_time_limit: timedelta | None = None
    expires: timedelta | None = None


class Schedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task sent by the clock: exactly one of `cron` (five fields, UTC) and `every`."""

    task: str
    cron: str | None = None
    every: timedelta | None = None
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    queue: str | None = None


class Letters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How dead letters are kept.

    queue: where they wait for the recorder.
    after: deliveries that ended with the worker's death before a task is set aside as poison.
    keep: how long a settled (replayed or discarded) letter stays in the records; None: forever.
    """

    queue: str = "celeriac.dead"
    after: int = 3
    keep: timedelta | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The whole declaration, with environments and variables already resolved.

    folder: relative sqlite paths and the state folder `.celeriac/` are taken from here.
    source: the file it was read from, None if built in Python.
    app: dotted path of an existing Celery app ("proj.celery:app"); None: Celeriac makes one named `name`.
    tasks: glob over task names -> policy; `policy_for` picks the most exact.
    """

    name: str = "celeriac"
    app: str | None = None
    imports: tuple[str, ...] = ()
    broker: str = "sqlite:///.celeriac/broker.db"
    results: str = "sqlite:///.celeriac/results.db"
    state: str = "sqlite:///.celeriac/records.db"
    queues: dict[str, Queue] = {}
    pools: dict[str, Pool] = {}
    tasks: dict[str, Policy] = {}
    schedules: dict[str, Schedule] = {}
    letters: Letters = Letters()
    folder: Path = Path()
    source: Path | None = None

    @property
    def default_queue(self) -> str:
        """The queue of a task that no policy routes: "default" if declared, else the first one, else "celery"."""
        return "default" if "default" in self.queues else next(iter(self.queues), "celery")

    @property
    def state_folder(self) -> Path:
        """The folder `.celeriac/`, where everything of this project lives at run time."""
        return self.folder / ".celeriac"
