"""A queue holds messages, and nobody reads it.

No live worker has a lease on it; on RabbitMQ, no consumer. A worker of stock Celery on Redis holds no lease and is
not seen. Letters that wait for their recorder are the rule letters-unrecorded.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.doctor.words import pools_reading, rounded


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell what waits in vain."""
    for it in patient.queues.seen():
        if not it.is_unread:
            continue
        waiting = it.ready + (it.delayed or 0)
        yield Symptom(
            at=f"queue {it.name}",
            message=f"{'1 task waits' if waiting == 1 else f'{waiting} tasks wait'} here, and nobody reads the queue",
            fix=_fix(patient, it.name),
            facts={
                "ready": it.ready,
                "delayed": it.delayed,
                "readers": it.consumers,
                "oldest_age_s": rounded(it.oldest_age_s),
            },
        )


def _fix(patient: Patient, queue: str) -> str:
    plan = patient.plan
    pools = pools_reading(plan, queue)
    if pools:
        return f"start a worker that reads it: celeriac worker {pools[0]}" + (
            f" (or of {', '.join(pools[1:])})" if pools[1:] else ""
        )
    if queue in plan.queues:
        return f"add {queue} to the queues of a pool, and start a worker of it"
    return (
        f"send to a queue of the plan ({', '.join(plan.queues)}), or declare this one and let a pool read it"
    )


RULE = Rule(code="DOC-202", name="queue-unread", level="trouble", reads=("queues",), judge=judge)
