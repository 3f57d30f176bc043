"""A running worker does not know a task that is routed to a queue it reads.

The task is in the app as it is on this disk, and the worker was started from other code. Sent now, it would become
a letter ("unknown-task"). Workers are asked by remote control and given 1.5 s; who does not answer is not judged,
nor are pools with an app of their own.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.control.work import pool_of
from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.plan import policy_for

_NAMED = 5


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell what each worker lacks."""
    plan = patient.plan
    known = patient.registered.seen()
    if not known:
        return
    ours = [name for name in patient.load().tasks if not name.startswith(("celery.", "celeriac."))]
    for worker, names in sorted(known.items()):
        pool = plan.pools.get(pool_of(worker))
        if pool is None or pool.app is not None:
            continue
        lacking = sorted(
            name
            for name in ours
            if name not in names and (policy_for(plan, name).queue or plan.default_queue) in pool.queues
        )
        if lacking:
            more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
            yield Symptom(
                at=f"worker {worker}",
                message=f"it does not know {', '.join(lacking[:_NAMED])}{more}, which it would be sent",
                fix="start it anew: it runs other code than there is on this disk",
                facts={"lacks": len(lacking), "knows": len(names)},
            )


RULE = Rule(code="DOC-209", name="worker-outdated", level="trouble", reads=("registered",), judge=judge)
