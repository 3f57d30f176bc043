"""The coordination store does not answer.

The lease of the beat was asked for. No beat can lead, and breakers and limits cannot be shared.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.look import Unseen
from celeriac.doctor.patient import Patient
from celeriac.doctor.words import address


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell why it does not; of a store that is the broker, the rule broker-away tells."""
    if patient.plan.coordination == patient.plan.broker and patient.broker.seen() is not None:
        return
    try:
        patient.coordination.seen()
    except Unseen as unseen:
        yield Symptom(
            at=address(patient.plan.coordination),
            message=f"the coordination store does not answer: {unseen.why}",
            fix="start it, or name another: [celeriac].coordination",
        )


RULE = Rule(
    code="DOC-402", name="coordination-away", level="trouble", reads=("coordination", "broker"), judge=judge
)
