"""Schedules are declared, something of the plan runs, and no beat leads.

Nobody holds the lease by which beats agree, or who holds it has died on this host: nothing is sent by the clock. A
beat that was just started is given the time of one lease. An app with a scheduler class of its own
(`beat_scheduler`) takes no lease, and is left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.doctor.words import is_here, those
from celeriac.schedule.scheduler import OURS, scheduler_class


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell that nobody sends, and what waits for it."""
    known = patient.schedules.seen()
    paused = {it.name for it in known if it.state == "paused"}
    names = sorted(it.name for it in patient.declared.seen() if not it.fault and it.name not in paused)
    leader = patient.coordination.seen()
    died = leader.holder.split(":")[1] if leader is not None and not is_here(leader.holder) else None
    if not names or (leader is not None and died is None):
        return
    if not patient.is_running() or _has_just_started(patient) or scheduler_class(patient.load()) != OURS:
        return
    overdue = [it.name for it in known if it.due_slot is not None]
    said = f"the beat that led, process {died}, has died, and no other leads yet" if died else "no beat leads"
    yield Symptom(
        at=f"plan {patient.plan.name}",
        message=f"{said}: {those(names)} {'is' if len(names) == 1 else 'are'} not sent",
        fix="start a beat: celeriac beat; any number may run, one leads",
        facts={
            "schedules": len(names),
            "overdue": len(overdue),
            "leader": leader.holder if leader else None,
        },
    )


def _has_just_started(patient: Patient) -> bool:
    up, span_s = patient.up.seen(), patient.plan.beat.lease.total_seconds()
    beats = [it for it in up.processes if it.kind == "beat"] if up else []
    return any(it.state == "starting" or (it.since or 0.0) > patient.now - span_s for it in beats)


RULE = Rule(
    code="DOC-301",
    name="beat-none",
    level="trouble",
    reads=("declared", "schedules", "coordination", "holders", "up"),
    judge=judge,
)
