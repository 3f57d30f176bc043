"""A schedule is due and was not sent, though a beat leads.

A slot has been due for longer than `[beat].deadline`. The beat cannot send, or is far behind; its log says which.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.control.verdict import say_moment
from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.doctor.words import is_here, rounded, say_age


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell how long each has been due."""
    leader = patient.coordination.seen()
    deadline_s = patient.plan.beat.deadline.total_seconds()
    if leader is None or not is_here(leader.holder):
        return
    for it in patient.schedules.seen():
        late_s = patient.now - it.due_slot if it.due_slot is not None else 0.0
        if late_s > deadline_s:
            yield Symptom(
                at=f"schedule {it.name}",
                message=f"{it.task} has been due for {say_age(late_s)} and was not sent, though a beat leads",
                fix="see the log of the beat that leads; docs/runbooks/schedule-overdue.md goes through it",
                facts={
                    "due": say_moment(it.due_slot),
                    "late_s": rounded(late_s),
                    "deadline_s": deadline_s,
                    "leader": leader.holder,
                },
            )


RULE = Rule(
    code="DOC-303", name="schedule-late", level="trouble", reads=("schedules", "coordination"), judge=judge
)
