"""The parts of an app's configuration that are made from its plan: queues, schedules, broker options."""

from __future__ import annotations

from typing import Any

from kombu.entity import Exchange, Queue

from celeriac.plan import Plan, Schedule
from celeriac.schedule import PlannedSchedule

_GREATEST_PRIORITY = 9


def task_queues(plan: Plan) -> list[Queue]:
    """Give one kombu queue for each of the plan's, bound to an exchange of its own name."""
    ordered = _ordered(plan)
    is_rabbitmq = plan.broker.startswith(("amqp:", "amqps:", "pyamqp:"))
    return [
        Queue(
            name,
            Exchange(name, type="direct"),
            routing_key=name,
            max_priority=_GREATEST_PRIORITY if name in ordered else None,
            # Brokers of ours are told by an option of their transport; RabbitMQ refuses, or would drop the oldest.
            queue_arguments={"x-max-length": queue.max_length, "x-overflow": "reject-publish"}
            if is_rabbitmq and queue.max_length is not None
            else None,
        )
        for name, queue in plan.queues.items()
    ]


def _ordered(plan: Plan) -> frozenset[str]:
    """Name the queues that RabbitMQ must keep by priority, which is said once, when they are declared."""
    if not plan.broker.startswith(("amqp:", "amqps:", "pyamqp:")):
        return frozenset()
    with_priority = (policy for policy in plan.tasks.values() if policy.priority is not None)
    return frozenset(policy.queue or plan.default_queue for policy in with_priority)


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
    """Give what a broker of ours must know of the plan; SQS, which has no topics, whether somebody records runs."""
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
    } | ({"keeps_events": plan.records is not None} if plan.broker.startswith("sqs:") else {})
