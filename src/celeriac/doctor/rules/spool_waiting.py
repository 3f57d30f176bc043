"""Tasks wait in this host's spool.

Senders kept them while the broker was away, and they have not gone on for 10 s, or cannot be sent at all.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.doctor.finding import Fact, Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.doctor.words import rounded, say_age

_SOON_S = 10.0


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell what waits and what was set aside."""
    it = patient.spool.seen()
    if it is None:
        return
    facts: dict[str, Fact] = {
        "tasks": it.tasks,
        "aside": it.aside,
        "oldest_age_s": rounded(it.oldest_age_s),
        "size_bytes": it.size_bytes,
        "max_size_bytes": it.max_size_bytes,
    }
    if it.tasks and (it.oldest_age_s or 0.0) > _SOON_S:
        yield Symptom(
            at=it.path,
            message=f"{'1 task waits' if it.tasks == 1 else f'{it.tasks} tasks wait'} here for the broker, "
            f"the oldest for {say_age(it.oldest_age_s)}",
            fix="when the broker is back: any process of the plan sends them on, or celeriac spool --send",
            facts=facts,
        )
    if it.aside:
        why = it.troubles[0] if it.troubles else "see celeriac spool"
        yield Symptom(
            at=it.path,
            message=f"{'1 task' if it.aside == 1 else f'{it.aside} tasks'} cannot be sent: {why}",
            fix="mend that, then: celeriac spool --send --aside",
            facts=facts,
        )


RULE = Rule(code="DOC-504", name="spool-waiting", level="trouble", reads=("spool",), judge=judge)
