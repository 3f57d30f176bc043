"""Nothing of the plan runs.

No `celeriac up` in this folder, nobody who reads from the broker, no beat that leads. Fine on a laptop that rests;
the other rules about running processes say nothing then.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell that nobody is there."""
    if not patient.is_running() and patient.coordination.seen() is None:
        yield Symptom(
            at=f"plan {patient.plan.name}",
            message="nothing of the plan runs: no worker, no beat, no celeriac up",
            fix="celeriac up",
            facts={"consumers": 0, "up": False, "beat leads": False},
        )


RULE = Rule(
    code="DOC-201", name="nothing-runs", level="advice", reads=("holders", "up", "coordination"), judge=judge
)
