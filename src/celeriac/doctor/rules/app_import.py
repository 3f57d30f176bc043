"""The app, or a module of its tasks, cannot be imported.

No worker starts then, and no task of it can be sent. The line is the project's own, or that of the library it
failed in.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.errors import PlanError


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell where the import fails."""
    for problem in patient.problems:
        if not isinstance(problem, PlanError):
            yield Symptom(
                at=problem.at or "the app",
                message=problem.message,
                fix=problem.fix or "mend the code there",
                facts={"error": problem.code},
            )


RULE = Rule(code="DOC-002", name="app-import", level="trouble", reads=(), judge=judge)
