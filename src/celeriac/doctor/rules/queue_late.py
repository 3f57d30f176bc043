"""The oldest message of a queue waits longer than the queue's `max_wait`.

Workers read the queue, and are too few, too slow, or busy with another queue. A queue that nobody reads is the rule
queue-unread.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.doctor.words import pools_reading, rounded, say_age, those


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell how late each queue is."""
    for it in patient.queues.seen():
        if it.is_late and not it.is_unread:
            pools = pools_reading(patient.plan, it.name)
            yield Symptom(
                at=f"queue {it.name}",
                message=f"its oldest task waits {say_age(it.oldest_age_s)}, the plan asks for {say_age(it.max_wait_s)}",
                fix=f"give the pool {those(pools)} more slots or workers; docs/runbooks/queue-late.md goes through it",
                facts={
                    "oldest_age_s": rounded(it.oldest_age_s),
                    "max_wait_s": it.max_wait_s,
                    "ready": it.ready,
                    "unacked": it.unacked,
                    "readers": it.consumers,
                },
            )


RULE = Rule(code="DOC-203", name="queue-late", level="trouble", reads=("queues",), judge=judge)
