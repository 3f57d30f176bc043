"""Tasks are with a worker that has died.

Its process is gone from this host, and its lease stands: any worker that is there gives them back to their queues
within seconds. Where none is, they stay.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.control.broker import is_alive
from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell what each dead worker holds."""
    holders = patient.holders.seen()
    living = [it for it in holders if is_alive(it)]
    for it in holders:
        if is_alive(it) or not it.unacked:
            continue
        held = "1 task is" if it.unacked == 1 else f"{it.unacked} tasks are"
        yield Symptom(
            at=f"worker {it.name}",
            message=f"{held} still with this worker, whose process {it.pid} has died",
            fix="wait a few seconds and look again: a living worker gives them back"
            if living
            else "start any worker of the plan (celeriac up): it gives them back to their queues",
            facts={
                "process": it.pid,
                "holds": it.unacked,
                "queues": ", ".join(it.queues),
                "living": len(living),
            },
        )


RULE = Rule(code="DOC-206", name="tasks-held", level="trouble", reads=("holders",), judge=judge)
