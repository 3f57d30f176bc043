"""Which of two writes about one task stands.

Every write is made by a run of the task. Runs of one message line are numbered (generation, retries,
deliveries): replays from a dead letter, then retries within it, then deliveries of one message that ended
with a worker's death.

1. A SUCCESS on record stands, whatever comes.
2. Otherwise a write of an earlier run of the same line is refused: its worker was paused, and its task
handed on.
3. Otherwise the write stands.

So within one run the last word counts (STARTED, PROGRESS, then FAILURE), a later run replaces RETRY and
FAILURE, and a write whose run cannot be compared replaces too: one from outside of any run (then the runs
on record stay as they were), or one of another line, which is how a successor speaks after `Task.replace`.
An expired record is no record.

A later run is known here by what it has written. A delivery after a worker's death writes STARTED as it begins (see
`celeriac.tasks.request`), so a paused worker that comes back is refused from that moment on.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

from celeriac.wire import GENERATION

_MOST = 2**31  # headers come off the wire; a count beyond this is not one


class Standing(Enum):
    """What the record says to a run that wants to write."""

    OPEN = "open"
    OVERTAKEN = "a later run has written"
    SUCCEEDED = "success is on record"


class Run(NamedTuple):
    """One run of a task.

    line: messages that follow one another: the same parent, and as often replaced.
    generation: replays so far. retries: retries since the last replay. deliveries: worker deaths since the
        last retry.
    """

    line: str | None
    generation: int | None
    retries: int | None
    deliveries: int | None


#: the run of a write that comes from outside of the task
NO_RUN = Run(None, None, None, None)


def run_of(task_id: str, request: Any) -> Run:
    """Read the run out of a task's request, a celery.app.task.Context.

    Returns: NO_RUN if there is none, or it is the request of another task.
    """
    if request is None or request.id != task_id:
        return NO_RUN
    headers = request.headers if isinstance(request.headers, dict) else {}
    delivery = request.delivery_info if isinstance(request.delivery_info, dict) else {}
    generation = request.get(GENERATION, headers.get(GENERATION))
    # Celery gives the first retry of a task without a parent that task itself as its parent.
    parent = "" if request.parent_id in (None, task_id) else request.parent_id
    return Run(
        line=f"{parent}:{_count(request.replaced_task_nesting)}",
        generation=_count(generation),
        retries=_count(request.retries),
        deliveries=_count(delivery.get("deliveries")),
    )


def _count(value: object) -> int:
    return min(value, _MOST) if isinstance(value, int) and value > 0 else 0
