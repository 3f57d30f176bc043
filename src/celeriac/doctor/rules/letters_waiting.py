"""Dead letters wait for a decision.

Each is a task that failed for good, kept whole: nothing is lost, and nothing happens by itself. Those of tasks that
nobody knew are the rule task-unknown. More than `[alerts].letters` of a queue are told.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.control.verdict import say_moment
from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.records import LetterCount


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell how many wait in each queue, and of what."""
    counts: dict[str, list[LetterCount]] = {}
    for count in patient.letters.seen():
        if count.reason != "unknown-task":
            counts.setdefault(count.queue, []).append(count)
    for queue, found in counts.items():
        letters = sum(count.letters for count in found)
        if letters <= patient.plan.alerts.letters:
            continue
        most = max(found, key=lambda count: count.letters)
        yield Symptom(
            at=f"queue {queue}",
            message=f"{'1 letter waits' if letters == 1 else f'{letters} letters wait'} for a decision, "
            f"most of {most.task or 'no task'} ({most.reason})",
            fix=f"celeriac dead list --queue {queue}, then replay or discard them",
            facts={"letters": letters, "last": say_moment(max(count.last_died_at for count in found))},
        )


RULE = Rule(code="DOC-501", name="letters-waiting", level="advice", reads=("letters",), judge=judge)
