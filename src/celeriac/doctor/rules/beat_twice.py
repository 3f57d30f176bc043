"""A beat sends by itself beside another one: slots are sent twice.

Beats of Celeriac agree by a lease, and any number may run. A `celery beat`, or a `celery worker -B`, that was told
another scheduler (`-S`) in this folder asks nobody. Only the beats of this host are seen.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.errors import redacted
from celeriac.schedule.scheduler import is_ours


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell which beats take no part in the lease."""
    alone = [it for it in patient.beats.seen() if it.scheduler is not None and not is_ours(it.scheduler)]
    leader = patient.coordination.seen()
    if not alone or (leader is None and len(alone) == 1):
        return
    others = f"the beat that leads ({leader.holder.rpartition(':')[0]})" if leader else "the other beats"
    for it in alone:
        yield Symptom(
            at=f"process {it.pid}",
            message=f"this beat sends by itself, by {it.scheduler}, and {others} too: each slot is sent more than once",
            fix=f"end process {it.pid}; start beats by celeriac beat, or celery beat without -S",
            facts={
                "command": redacted(it.command),
                "scheduler": it.scheduler,
                "beats": len(alone) + (leader is not None),
            },
        )


RULE = Rule(code="DOC-302", name="beat-twice", level="trouble", reads=("beats", "coordination"), judge=judge)
