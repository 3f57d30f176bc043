"""The plan does not hold together, or warns.

What `celeriac check` says, once: an error is trouble, a warning advice. Each keeps its own code, which
docs/reference/errors.md lists.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.errors import PlanError


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell each problem of the plan."""
    for problem in patient.problems:
        if isinstance(problem, PlanError):
            yield Symptom(
                code=problem.code,
                at=problem.at or "the plan",
                message=problem.message,
                fix=problem.fix or "mend the plan there",
                facts={"known": ", ".join(problem.known)} if problem.known else {},
                level="trouble" if problem.severity == "error" else "advice",
            )


RULE = Rule(code="DOC-001", name="plan", level="trouble", reads=(), judge=judge)
