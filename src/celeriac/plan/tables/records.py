"""What is kept of tasks: letters of the failed, and the history of runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

import msgspec

from celeriac.plan.marks import Duration, NoneAs, Range

Arguments = Literal["none", "redacted", "full"]


class Letters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How dead letters are kept.

    queue: where they wait for the recorder; never a work queue.
    after: deliveries that ended with the worker's death before a task is set aside as poison.
    keep: how long a settled (replayed or discarded) letter stays in the records; None: it is never deleted.
    handler: task that is sent with `task_id` and `reason` for each new letter, at most once; None: none is.
    """

    queue: str = "celeriac.dead"
    after: Annotated[int, Range(1, 1000)] = 3
    keep: Annotated[Duration | None, NoneAs("forever")] = None
    handler: str | None = None


class Records(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The history of task runs. Without this table none is kept, and workers send no task events for it.

    keep: how long a run of which nothing more was seen stays on record.
    arguments: how arguments are kept: "none", "redacted" (numbers, names and sizes, no texts), or "full" as Celery
        writes them.
    """

    keep: Annotated[timedelta, Range(1)] = timedelta(days=14)
    arguments: Arguments = "redacted"
