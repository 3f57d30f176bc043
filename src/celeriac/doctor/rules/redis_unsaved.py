"""The broker's Redis keeps nothing on its disk.

It appends to no file and saves no snapshots: when its process ends, so do all tasks that wait. Where it does not
tell how it saves, this is not said.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.doctor.words import address


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell that nothing is kept."""
    server = patient.server.seen()
    if server is not None and not server.appends and server.saves == "":
        yield Symptom(
            at=address(patient.plan.broker),
            message="Redis keeps nothing on its disk: what waits in it is gone when its process ends",
            fix="CONFIG SET appendonly yes, and the same in redis.conf",
            facts={"appendonly": "no", "save": ""},
        )


RULE = Rule(code="DOC-104", name="redis-unsaved", level="advice", reads=("server",), judge=judge)
