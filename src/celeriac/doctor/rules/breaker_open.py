"""A circuit breaker is open.

What it guards failed too often; its tasks wait at the broker until it is tried again. One that has cooled down
and was not tried since holds nobody up, and is not told.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.doctor.words import rounded, say_age, those

#: a task that waits looks again this long after the cool-down at most; an older one has nobody waiting for it
_TRIED_WITHIN_S = 15.0


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell which, since when, and whose tasks wait."""
    for it in patient.breakers.seen():
        since_s = patient.now - it.since if it.since else 0.0
        if it.state == "open" and since_s <= it.cool_down_s + _TRIED_WITHIN_S:
            yield Symptom(
                at=f"breaker {it.name}",
                message=f"open for {say_age(since_s)}: what it guards failed; tasks of {those(it.tasks)} wait",
                fix=f"mend what it guards; it is tried again after {say_age(it.cool_down_s)}, or at once by "
                f"celeriac breakers --reset {it.name}",
                facts={"open_s": rounded(since_s), "failures to open": it.of, "cool_down_s": it.cool_down_s},
            )


RULE = Rule(code="DOC-503", name="breaker-open", level="trouble", reads=("breakers",), judge=judge)
