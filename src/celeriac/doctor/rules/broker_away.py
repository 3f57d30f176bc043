"""The broker cannot be reached.

Nothing can be sent or fetched. It was really connected to, and was given 5 s to answer. The rules that need the
broker are not judged then.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.doctor.words import address


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell why it cannot be reached."""
    trouble = patient.broker.seen()
    if trouble is not None:
        yield Symptom(
            at=address(patient.plan.broker),
            message=f"the broker cannot be reached: {trouble}",
            fix="start it, or name another: [celeriac].broker, CELERY_BROKER_URL",
        )


RULE = Rule(code="DOC-101", name="broker-away", level="trouble", reads=("broker",), judge=judge)
