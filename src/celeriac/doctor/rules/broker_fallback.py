"""Another broker is in use than the first of the plan.

Several are named and the first could not be reached at the start. What waits at the first is not worked on, until
it is chosen again at a start.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.doctor.words import address
from celeriac.errors import redacted


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell which one is in use, and why."""
    plan = patient.plan
    if plan.brokers and plan.because is not None and plan.broker != plan.brokers[0]:
        yield Symptom(
            at=address(plan.broker),
            message=f"this broker is in use, not the first of the plan, {redacted(plan.brokers[0])}: {plan.because}",
            fix="start the first one, then everything of the plan anew; nothing is switched while it runs",
            facts={"place": plan.brokers.index(plan.broker) + 1, "of": len(plan.brokers)},
        )


RULE = Rule(code="DOC-102", name="broker-fallback", level="advice", reads=(), judge=judge)
