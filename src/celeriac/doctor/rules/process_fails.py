"""A process of `celeriac up` ends again and again.

The supervisor has started it more than once and waits to start it again, or has given it up.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.doctor.words import times


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell which process does not stay."""
    up = patient.up.seen()
    for it in up.processes if up else ():
        if it.state in ("waiting", "stopped") and it.restarts:
            yield Symptom(
                at=f"process {it.name}",
                message=f"it does not stay: {it.state} after it was started again {times(it.restarts)}",
                fix=f"see what it says: celeriac {'worker ' + it.pool if it.pool else it.kind} on its own",
                facts={"state": it.state, "restarts": it.restarts, "kind": it.kind},
            )


RULE = Rule(code="DOC-207", name="process-fails", level="trouble", reads=("up",), judge=judge)
