"""Tasks were sent that no worker knows.

Each is a letter of the reason "unknown-task", which waits for a decision. The task was renamed, its module is not
among the imports, or a sender is ahead of the workers.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.control.verdict import say_moment
from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.doctor.words import times


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell the names that were sent and not known."""
    for count in patient.letters.seen():
        if count.reason == "unknown-task":
            name = count.task or "a task without a name"
            yield Symptom(
                at=f"queue {count.queue}",
                message=f"no worker knew {name}, which was sent {times(count.letters)}",
                fix="import its module where the workers do ([celeriac].imports), start them anew, then: "
                f"celeriac dead replay --task '{name}'",
                facts={"task": count.task, "letters": count.letters, "last": say_moment(count.last_died_at)},
            )


RULE = Rule(code="DOC-003", name="task-unknown", level="trouble", reads=("letters",), judge=judge)
