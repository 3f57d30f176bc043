"""Whether a task that waits at the broker waits for its rate, and until when."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from celeriac.coordination import open_coordination
from celeriac.errors import CeleriacError
from celeriac.flow import Flow
from celeriac.plan import Plan, policy_for

if TYPE_CHECKING:
    from celery import Celery


class Place(NamedTuple):
    """The place of a task in the line of its rate.

    rate: as the plan says it. due_at: epoch seconds; None if it waits for something else.
    unseen: why nobody could tell, if the store could not be asked.
    """

    rate: str
    due_at: float | None = None
    unseen: str | None = None


def place_of(plan: Plan, app: Celery, task: str | None, task_id: str) -> Place | None:
    """Give the place of a task; None if it has no rate."""
    known = app.tasks.get(task) if task else None
    # Code may say more of a task than the plan.
    policy = getattr(known, "policy", None) or policy_for(plan, task or "")
    if not task or policy.rate is None:
        return None
    try:
        with closing(open_coordination(plan.coordination, plan.folder)) as store:
            wait = Flow(plan, store).rate(task, policy.rate).place(task_id)
    except CeleriacError as error:
        return Place(policy.rate, unseen=error.message)
    return Place(policy.rate, None if wait is None else time.time() + wait.total_seconds())
