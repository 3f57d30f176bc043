"""The records do not answer.

The letters that wait were to be counted. New letters wait in their queue meanwhile; none is lost.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.look import Unseen
from celeriac.doctor.patient import Patient
from celeriac.doctor.words import address


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell why it does not."""
    try:
        patient.letters.seen()
    except Unseen as unseen:
        yield Symptom(
            at=address(patient.plan.state),
            message=f"the records do not answer: {unseen.why}",
            fix="start the server, or name another place: [celeriac].state",
        )


RULE = Rule(code="DOC-403", name="records-away", level="trouble", reads=("letters",), judge=judge)
