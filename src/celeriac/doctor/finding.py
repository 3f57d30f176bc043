"""What the doctor reports, with the rule that found it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec

#: "trouble": tasks wait, fail or get lost now, or will without any further change; "advice": worth knowing
Level = Literal["trouble", "advice"]
Fact = str | int | float | bool | None


class Symptom(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule has seen at one place.

    at: the place, like "queue emails". facts: the figures it rests on. level: where it is not the rule's own.
    code: of an error or warning that stands in docs/reference/errors.md, where it is one.
    """

    at: str
    message: str
    fix: str
    facts: dict[str, Fact] = {}
    level: Level | None = None
    code: str | None = None


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule: its code and name never change their meaning.

    reads: the looks of a `Patient` that it needs.
    judge: gives what it sees of a `Patient`. Raises Unseen if it cannot be judged.
    """

    code: str
    name: str
    level: Level
    reads: tuple[str, ...]
    judge: Callable[[Any], Iterator[Symptom]]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong, where, how it is known, and the fix.

    code: the rule's; of a problem of the plan, that problem's own.
    """

    code: str
    rule: str
    level: Level
    at: str
    message: str
    facts: dict[str, Fact]
    fix: str


def finding(rule: Rule, symptom: Symptom) -> Finding:
    """Give a symptom the code, name and level of its rule."""
    return Finding(
        code=symptom.code or rule.code,
        rule=rule.name,
        level=symptom.level or rule.level,
        at=symptom.at,
        message=symptom.message,
        facts=symptom.facts,
        fix=symptom.fix,
    )
