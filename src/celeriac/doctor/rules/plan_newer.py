"""The plan was written after the processes of this host were started.

What runs was started by the plan as it was then: `up` reads it once, and each worker when it starts.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.control.verdict import say_moment
from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.doctor.words import say_age, those


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell who was started before the plan's file was last written."""
    source = patient.plan.source
    if source is None:
        return
    written_at = source.stat().st_mtime
    up = patient.up.seen()
    started = {it.name: it.since for it in up.processes if it.since is not None} if up else {}
    for worker in patient.pulses.seen():
        if worker.alive:
            started.setdefault(worker.name.partition("@")[0], patient.now - worker.up_s)
    # A worker's own start is told to the tick; its supervisor wrote down when it was asked for, just before.
    older = sorted(name for name, since in started.items() if since < written_at)
    if older:
        yield Symptom(
            at=str(source),
            message=f"the plan was written {say_age(patient.now - written_at)} ago, after {those(older)} started",
            fix="start them anew: celeriac up again, or celeriac up --reload, which does so by itself",
            facts={"written": say_moment(written_at), "started before": ", ".join(older)},
        )


RULE = Rule(code="DOC-004", name="plan-newer", level="advice", reads=("up", "pulses"), judge=judge)
