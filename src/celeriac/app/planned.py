"""The parts of an app's configuration that are made from its plan: queues, schedules, broker options."""

from __future__ import annotations

from typing import Any

from kombu.entity import Exchange, Queue

from celeriac.plan import Plan, Schedule
from celeriac.schedule import PlannedSchedule


def task_queues(plan: Plan) -> list[Queue]:
    """Give one kombu queue for each of the plan's, bound to an exchange of its own name."""
    return [Queue(name, Exchange(name, type="direct"), routing_key=name) for name in plan.queues]


def beat_schedule(plan: Plan) -> dict[str, dict[str, Any]]:
    """Give the plan's schedules as Celery's beat reads them."""
    return {name: _entry(entry) for name, entry in plan.schedules.items()}


def _entry(entry: Schedule) -> dict[str, Any]:
    return {
        "task": entry.task,
        "schedule": PlannedSchedule(entry),
        "args": entry.args,
        "kwargs": entry.kwargs,
        "options": {"queue": entry.queue} if entry.queue else {},
    }


#: where results are gathered that must be on record before acks are
GATHERED = "celeriac.backends.gathering:GATHERED"


def transport_options(plan: Plan) -> dict[str, Any]:
    """Give what a broker of ours must know of the plan."""
    return {
        # By name: Celery answers `inspect stats` with these options, which must therefore be plain values.
        "before_acks": GATHERED,
        "letters_queue": plan.letters.queue,
        # Our workers end a task themselves after `letters.after` deaths, and tell whoever waits for it; the broker,
        # which can only set it aside, is there for other consumers.
        "letters_after": plan.letters.after + 1,
        "queues": {
            name: {"max_length": queue.max_length, "when_full": queue.when_full}
            for name, queue in plan.queues.items()
            if queue.max_length is not None
        },
    }
