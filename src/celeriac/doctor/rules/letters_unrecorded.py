"""Letters wait in their queue, and no recorder takes them.

They are safe there, and nobody sees them: neither `celeriac dead` nor the metrics count them.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.doctor.words import rounded


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell how many."""
    for it in patient.queues.seen():
        if it.name == patient.plan.letters.queue and it.ready and it.consumers == 0:
            yield Symptom(
                at=f"queue {it.name}",
                message=f"{'1 letter waits' if it.ready == 1 else f'{it.ready} letters wait'} to be recorded, "
                "and no recorder runs",
                fix="celeriac recorder",
                facts={"ready": it.ready, "readers": it.consumers, "oldest_age_s": rounded(it.oldest_age_s)},
            )


RULE = Rule(code="DOC-502", name="letters-unrecorded", level="trouble", reads=("queues",), judge=judge)
