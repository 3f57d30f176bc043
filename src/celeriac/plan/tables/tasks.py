"""What the plan says of a task: its policy, by a glob over names."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

import msgspec

from celeriac.plan.marks import Duration, Form, NoneAs, Range


class Retry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When and how a failed task is tried again.

    limit: retries after the first run; None: as many as it takes.
    backoff: the first ceiling; doubled with every retry up to `cap`.
    cap: the highest ceiling.
    jitter: True draws the delay evenly from 0 to the ceiling ("full jitter"), False waits the ceiling.
    on: names of exception classes, with their module unless they are Python's own; only these, and their
        subclasses, are retried.
    """

    limit: Annotated[int | None, Range(0, 1_000_000), NoneAs("unlimited")] = 3
    backoff: Annotated[timedelta, Range(0)] = timedelta(seconds=1)
    cap: Duration = timedelta(minutes=10)
    jitter: bool = True
    on: tuple[str, ...] = ("Exception",)


class Breaker(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When tasks stop calling a service that fails, over all workers; meanwhile they wait at the broker.

    name: of what it guards; tasks with a breaker of the same name share it.
    failures: so many of them within `window` open it.
    window: how long a failure counts.
    cool_down: how long it stays open before one task may try; that one closes it, or opens it again.
    on: dotted names of exception classes; only these, and their subclasses, are failures.
    """

    name: str
    failures: Annotated[int, Range(1, 1_000_000)] = 5
    window: Duration = timedelta(seconds=60)
    cool_down: Duration = timedelta(seconds=60)
    on: tuple[str, ...] = ("builtins.Exception",)


class TaskResults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of what a task returns; what is left out is as for all tasks.

    ignore: whether nothing of it is stored; errors neither.
    expires: how long it is kept, failures and all; SQLite, Redis and PostgreSQL only.
    compression: by what it is packed; SQLite, Redis and PostgreSQL only.
    """

    ignore: bool | None = None
    expires: Duration | None = None
    compression: Literal["none", "gzip", "bzip2", "lzma"] | None = None


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the plan says of the tasks whose names match a glob; the most exact glob wins, whole.

    queue: the declared queue they are sent to; None: the default queue.
    priority: 0 to 9, the bigger number first; None: the broker's default.
    retry: when and how they are tried again; None: never by the plan.
    time_limit: a run that takes longer is killed.
    soft_time_limit: a run that takes longer is interrupted by SoftTimeLimitExceeded.
    expires: a message not started within this time after sending is dropped, as an explicit expiry.
    breaker: while it is open, they wait at the broker; None: nothing keeps them.
    rate: of each of them no more begin than so many in any second, minute or hour ("10/s", "100/m", "1000/h"), over
        all workers; the others wait at the broker. Each task that the glob matches has the rate for itself.
    results: what becomes of what they return; None: the same as for all tasks.
    encrypt: whether their payloads are sealed; None: as `[security].encrypt` says.
    """

    queue: str | None = None
    priority: Annotated[int, Range(0, 9)] | None = None
    retry: Retry | None = None
    time_limit: Duration | None = None
    soft_time_limit: Duration | None = None
    expires: Duration | None = None
    breaker: Breaker | None = None
    rate: Annotated[str | None, Form('a rate like "100/m"', r"^[0-9]{1,7}/(s|m|h)$")] = None
    results: TaskResults | None = None
    encrypt: bool | None = None
