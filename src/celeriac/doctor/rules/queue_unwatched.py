"""A queue has no reader, though a part of the plan runs.

Nothing waits in it yet; the next task will. Pools that the plan lets run without workers (`replicas` 0) are left
out.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.doctor.words import pools_reading


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell which queues nobody would serve."""
    plan = patient.plan
    if not patient.is_running():
        return
    up = patient.up.seen()
    starting = {it.pool for it in up.processes if it.state == "starting"} if up else set()
    for it in patient.queues.seen():
        pools = [name for name in pools_reading(plan, it.name) if plan.pools[name].workers.min]
        if it.is_declared and it.consumers == 0 and not it.is_unread and pools and not starting & set(pools):
            yield Symptom(
                at=f"queue {it.name}",
                message="nobody reads the queue; nothing waits in it yet",
                fix=f"start a worker that reads it: celeriac worker {pools[0]}",
                facts={"readers": 0, "ready": it.ready},
            )


RULE = Rule(
    code="DOC-204", name="queue-unwatched", level="advice", reads=("queues", "holders", "up"), judge=judge
)
