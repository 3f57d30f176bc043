"""The result store does not answer.

A result that there is not was asked for. Tasks run, and their results are lost or waited for in vain.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.look import Unseen
from celeriac.doctor.patient import Patient
from celeriac.doctor.words import address


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell why it does not; of a store that is the broker, the rule broker-away tells."""
    if patient.plan.results == patient.plan.broker and patient.broker.seen() is not None:
        return
    try:
        patient.results.seen()
    except Unseen as unseen:
        yield Symptom(
            at=address(patient.plan.results),
            message=f"the result store does not answer: {unseen.why}",
            fix="start it, or name another: [celeriac].results",
        )


RULE = Rule(code="DOC-401", name="results-away", level="trouble", reads=("results", "broker"), judge=judge)
