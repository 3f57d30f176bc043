"""Pools: the named kinds of workers."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

import msgspec

from celeriac.plan.marks import Duration, Range, Size

Executor = Literal["prefork", "processes", "threads", "asyncio", "solo", "gevent", "eventlet"]
ProfileName = Literal["io", "cpu", "ram", "custom"]


class Autoscale(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds between which a worker on prefork or processes grows and shrinks its slots.

    min: slots it keeps when idle.
    max: slots it may grow to.
    """

    min: Annotated[int, Range(1, 10_000)]
    max: Annotated[int, Range(1, 10_000)]


class Replicas(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds between which workers of a pool are started and stopped.

    min: workers that run when there is nothing to do; with 0 none runs until work comes.
    max: workers that run at most.
    """

    min: Annotated[int, Range(0, 1000)]
    max: Annotated[int, Range(1, 1000)]


class Resources(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a worker may use of its host, kept by what runs it: Compose, systemd or Kubernetes, not by `up`.

    cpu: CPUs it may use at most, like "2", "0.5" or "500m"; None: as many as there are.
    memory: memory above which it is killed; None: as much as there is.
    cpu_reserved: CPUs kept free for it; None: half of `cpu`.
    memory_reserved: memory kept free for it; None: half of `memory`.
    """

    cpu: str | None = None
    memory: Size | None = None
    cpu_reserved: str | None = None
    memory_reserved: Size | None = None


class Pool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A named kind of worker. A field left out takes the profile's value, else the Celery app's.

    queues: declared queues it reads, in this order of preference.
    app: dotted path of a Celery app of its own ("proj.heavy:app"), which may know fewer tasks; None: the plan's.
    profile: the kind of work, which sets the defaults of the fields below.
    executor: what runs the tasks of a worker.
    concurrency: slots of one worker.
    autoscale: slots between two bounds instead of a fixed `concurrency`; prefork and processes only.
    prefetch: messages a worker holds for each slot, the running one included (Celery's prefetch multiplier).
    time_limit: a task that runs longer is killed; prefork, processes, asyncio and gevent only.
    soft_time_limit: a task that runs longer is interrupted by SoftTimeLimitExceeded; prefork, processes and asyncio
        only.
    max_tasks_per_child: tasks after which a slot's process is replaced; prefork and processes only.
    max_memory_per_child: resident memory above which a slot's process is replaced after its task; prefork and
        processes only.
    gossip: whether workers follow each other's events; nothing of Celeriac needs it, and each worker reads them all.
    mingle: whether a starting worker asks the others which tasks were revoked; without it, it runs those.
    grace: how long a stopping worker may finish what it runs before it is killed.
    replicas: workers of this pool that run, or two bounds for their number; with 0 its queues wait.
    resources: what one worker may use of its host; None: whatever is there.
    """

    queues: tuple[str, ...]
    app: str | None = None
    profile: ProfileName = "custom"
    executor: Executor | None = None
    concurrency: Annotated[int, Range(1, 10_000)] | None = None
    autoscale: Autoscale | None = None
    prefetch: Annotated[int, Range(1, 10_000)] | None = None
    time_limit: Duration | None = None
    soft_time_limit: Duration | None = None
    max_tasks_per_child: Annotated[int, Range(1, 1_000_000_000)] | None = None
    max_memory_per_child: Size | None = None
    gossip: bool = True
    mingle: bool = True
    grace: Duration = timedelta(seconds=60)
    replicas: Annotated[int | Replicas, Range(0, 1000)] = 1
    resources: Resources | None = None

    @property
    def workers(self) -> Replicas:
        """The bounds of `replicas`, which are the same where it is a plain number."""
        if isinstance(self.replicas, Replicas):
            return self.replicas
        return Replicas(min=self.replicas, max=self.replicas)
