"""The report: every problem of a plan, gathered in one go and given in the order of the file."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable
from typing import Protocol

from celeriac.errors import PlanError, Severity

#: where in a plan: ("pools", "web", "queues", 0); list positions are ints
PlanPath = tuple[str | int, ...]

#: more than anybody mends at once; a hostile file may not cost more than this either
_MOST_PROBLEMS = 100
_MOST_KNOWN = 30
#: longer names are no typos, and comparing them is slow
_LONGEST_COMPARED = 64


class Places(Protocol):
    """Says where a part of the plan was written."""

    def at(self, path: PlanPath) -> str:
        """Word the place for a person, like "celeriac.toml:41, [pools.images].queues"."""

    def order(self, path: PlanPath) -> int:
        """Rank the place: its line, or 0 where there are no lines."""


class Report:
    """Gathers problems; a part already reported is not reported again for what follows from it."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self._found: list[tuple[int, PlanError]] = []
        self._counts: Counter[Severity] = Counter()
        self._spoiled: set[PlanPath] = set()
        self._left_out: Counter[Severity] = Counter()

    def add(
        self,
        path: PlanPath,
        code: str,
        message: str,
        *,
        known: Iterable[str] = (),
        fix: str | None = None,
        severity: Severity = "error",
        needs: Iterable[PlanPath] = (),
    ) -> None:
        """Add a problem found at `path`, unless that part, or one of `needs`, is spoiled by an earlier one."""
        if any(part in self._spoiled for part in (path, *needs)):
            return
        if severity == "error":
            self._spoiled.update(path[:length] for length in range(1, len(path) + 1))
        if self._is_full(severity):
            self._left_out[severity] += 1
            return
        problem = PlanError(
            code, message, at=self.places.at(path), known=shortened(known), fix=fix, severity=severity
        )
        self._keep(self.places.order(path), problem)

    def is_spoiled(self, path: PlanPath) -> bool:
        """Say whether an error was found at `path` or below."""
        return path in self._spoiled

    def spoiled_names(self, section: str) -> set[str]:
        """Name the entries of a section, like "pools", in which an error was found."""
        return {str(path[1]) for path in self._spoiled if len(path) == 2 and path[0] == section}

    def unknown_key(self, path: PlanPath, owner: str, known: Iterable[str], fix: str | None = None) -> None:
        """Add that the last key of `path` is none of the `known` keys of its owner."""
        name, names = str(path[-1]), tuple(known)
        self.add(
            path,
            "PLAN-010",
            f'"{clipped(name)}" is not a key of {owner}.',
            known=names,
            fix=fix or write_or(name, names, "remove it"),
        )

    def wrong_type(self, path: PlanPath, found: str, expected: str) -> None:
        """Add that the value at `path` is not of its type; both are in words."""
        subject = next((part for part in reversed(path) if isinstance(part, str)), "the plan")
        self.add(
            path,
            "PLAN-011",
            f"{clipped(subject)} is {found}, where {expected} is expected.",
            fix=f"write {expected}",
        )

    def take(self, other: Report) -> None:
        """Add what another report found."""
        for order, problem in other._found:
            if self._is_full(problem.severity):
                self._left_out[problem.severity] += 1
            else:
                self._keep(order, problem)
        self._left_out += other._left_out

    def problems(self) -> list[PlanError]:
        """List what was found, in the order of the file."""
        ordered = [problem for _, problem in sorted(self._found, key=lambda found: found[0])]
        return ordered + [
            _left_out(count, severity, self.places.at(())) for severity, count in self._left_out.items()
        ]

    def _is_full(self, severity: Severity) -> bool:
        # Each has its own room, so that no flood of warnings hides an error.
        return self._counts[severity] >= _MOST_PROBLEMS

    def _keep(self, order: int, problem: PlanError) -> None:
        self._counts[problem.severity] += 1
        self._found.append((order, problem))

    def raise_errors(self) -> None:
        """Raise one PlanError with every problem, if one of them is an error; warnings alone raise nothing."""
        raise_errors(self.problems())


def raise_errors(problems: list[PlanError]) -> None:
    """Raise one PlanError that carries the errors among `problems`, if there are any."""
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        first = errors[0]
        raise PlanError(
            first.code, first.message, at=first.at, known=first.known, fix=first.fix, problems=errors
        )


def _left_out(count: int, severity: Severity, at: str) -> PlanError:
    return PlanError(
        "PLAN-099",
        f"there are {count} more {'problems' if severity == 'error' else 'warnings'}.",
        at=at,
        fix="mend these first, then check again",
        severity=severity,
    )


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Give the known name that `name` is most likely a slip of."""
    if len(name) > _LONGEST_COMPARED:
        return None
    candidates = [each for each in known if len(each) <= _LONGEST_COMPARED]
    close = difflib.get_close_matches(name, candidates[:1000], n=1)
    return close[0] if close else None


def write_or(name: str, known: Iterable[str], otherwise: str) -> str:
    """Word the fix for an unknown name: the nearest known one, or what else can be done."""
    close = nearest(name, known)
    return f'write "{close}", or {otherwise}' if close else otherwise


def shortened(known: Iterable[str]) -> tuple[str, ...]:
    """Keep a list of known values readable."""
    names = [clipped(name) for name in known]
    if len(names) <= _MOST_KNOWN:
        return tuple(names)
    return (*names[:_MOST_KNOWN], f"… and {len(names) - _MOST_KNOWN} more")


def clipped(text: str, length: int = 60) -> str:
    """Cut a text from a file to what fits in a message."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
