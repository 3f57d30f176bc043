"""A schedule cannot be read: nothing of it is ever sent.

As `celeriac schedule list` says: its cron line, its time zone or its place is none, or what it asks for cannot be
told.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell what is wrong with each."""
    for it in patient.declared.seen():
        if it.fault:
            yield Symptom(
                at=f"schedule {it.name}",
                message=f"it is never sent: {it.fault.splitlines()[0]}",
                fix={"django": "mend its row in the admin", "plan": "mend it in the plan"}.get(
                    it.source, "mend it in the app's code"
                ),
                facts={"source": it.source, "task": it.task},
            )


RULE = Rule(code="DOC-304", name="schedule-faulty", level="trouble", reads=("declared",), judge=judge)
