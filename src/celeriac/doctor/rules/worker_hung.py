"""A worker of this host lives, and does not turn.

Its heartbeat file is older than 10 s, or its process was stopped by a signal. What it holds waits with it, until
its lease lapses.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.doctor.words import rounded
from celeriac_probe import pulse


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell who hangs, by the words of `celeriac probe`."""
    for worker in patient.pulses.seen():
        trouble = pulse.trouble(worker)
        if worker.alive and trouble:
            yield Symptom(
                at=f"worker {worker.name}",
                message=trouble,
                fix=f"see what it does (py-spy dump --pid {worker.pid}), then end process {worker.pid}; "
                "its tasks go back to their queues",
                facts={
                    "process": worker.pid,
                    "beat_age_s": rounded(worker.beat_age_s),
                    "busy": worker.busy,
                    "slots": worker.slots,
                },
            )


RULE = Rule(code="DOC-205", name="worker-hung", level="trouble", reads=("pulses",), judge=judge)
