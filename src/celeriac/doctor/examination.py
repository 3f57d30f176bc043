"""An examination: rules judged over one patient, whatever fails of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

import msgspec

from celeriac.doctor.finding import Finding, Rule, finding
from celeriac.doctor.look import Unseen, said_by
from celeriac.doctor.patient import WITHIN_S, Patient
from celeriac.doctor.rules import RULES
from celeriac.errors import CeleriacError, CommandError
from celeriac.plan import Plan

if TYPE_CHECKING:
    from celery import Celery


class Unjudged(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that could not be judged. look: which look it wanted; why: what came of it."""

    code: str
    rule: str
    look: str
    why: str


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """What came of looking.

    findings: troubles first, then in the order of their rules. judged: how many rules were.
    """

    findings: tuple[Finding, ...]
    unjudged: tuple[Unjudged, ...]
    judged: int
    took_s: float

    @property
    def is_well(self) -> bool:
        """Whether there is no trouble."""
        return all(it.level != "trouble" for it in self.findings)


def examine(
    plan: Plan,
    load: Callable[[], Celery],
    problems: Sequence[CeleriacError] = (),
    rules: Iterable[Rule] = RULES,
    within_s: float = WITHIN_S,
) -> Examination:
    """Judge the rules over the system of a plan; nothing of it is changed, and nothing raised.

    load: gives the app with its tasks. problems: what checking the plan and importing the app has found.
    within_s: how long all looks together are waited for.
    """
    began = time.monotonic()
    patient = Patient(plan, load, problems, within_s)
    wanted = tuple(rules)
    patient.begin(look for rule in wanted for look in rule.reads)
    findings: list[Finding] = []
    unjudged: list[Unjudged] = []
    for rule in wanted:
        try:
            findings += [finding(rule, symptom) for symptom in rule.judge(patient)]
        except Unseen as unseen:
            unjudged.append(_unjudged(rule, unseen.look, unseen.why))
        except Exception as error:  # a rule that breaks must not take the others with it
            unjudged.append(_unjudged(rule, "the rule itself", f"{type(error).__name__}: {said_by(error)}"))
    return Examination(
        findings=tuple(sorted(findings, key=lambda it: it.level != "trouble")),
        unjudged=tuple(unjudged),
        judged=len(wanted) - len(unjudged),
        took_s=round(time.monotonic() - began, 3),
    )


def chosen(named: Sequence[str]) -> tuple[Rule, ...]:
    """Give the rules of these names or codes, or all.

    Raises: CommandError if there is no such rule.
    """
    for each in named:
        if not any(each in (rule.code, rule.name) for rule in RULES):
            known = [rule.name for rule in RULES]
            close = get_close_matches(each, [*known, *(rule.code for rule in RULES)], n=1)
            raise CommandError(
                "UP-060",
                f'there is no rule "{each}".',
                known=known,
                fix=f'write "{close[0]}"' if close else "see docs/reference/doctor.md",
            )
    return tuple(rule for rule in RULES if not named or {rule.code, rule.name} & set(named))


def _unjudged(rule: Rule, look: str, why: str) -> Unjudged:
    return Unjudged(code=rule.code, rule=rule.name, look=look, why=why)
