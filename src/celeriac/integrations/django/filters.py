"""The filters beside the admin's list of dead letters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.admin import SimpleListFilter

from celeriac.control.letters import OPEN
from celeriac.integrations.django.rows import project_letters
from celeriac.records import LetterCount, LetterFilter
from celeriac.records.letter import STATES, State

_ALL = "all"


class _LetterFilter(SimpleListFilter):
    """A filter that narrows a `LetterFilter`, not a queryset."""

    def queryset(self, request: Any, queryset: Any) -> Any:
        return queryset


class StateFilter(_LetterFilter):
    """By state; without a choice, the letters that still want a decision."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return [(_ALL, "All"), *((state, state.capitalize()) for state in STATES)]

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        first, *others = super().choices(changelist)
        yield first | {"display": "To decide"}
        yield from others

    def states(self) -> tuple[State, ...] | None:
        """Give the states that are meant, None for all of them."""
        chosen = self.value()
        if chosen == _ALL:
            return None
        return tuple(state for state in STATES if state == chosen) or OPEN


class ReasonFilter(_LetterFilter):
    """By what ended the task."""

    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return _found(each.reason for each in _counts(request))


class QueueFilter(_LetterFilter):
    """By the queue it died on."""

    title = "queue"
    parameter_name = "queue"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return _found(each.queue for each in _counts(request))


class TaskFilter(_LetterFilter):
    """By the exact name of the task."""

    title = "task"
    parameter_name = "task"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return _found(each.task for each in _counts(request) if each.task)


def wanted_by(specs: Iterable[SimpleListFilter]) -> LetterFilter:
    """Give the letters that the chosen filters mean together."""
    chosen: dict[str, Any] = {"states": OPEN}
    for spec in specs:
        value = spec.value()
        if isinstance(spec, StateFilter):
            chosen["states"] = spec.states()
        elif value:
            chosen[spec.parameter_name] = value
    return LetterFilter(**chosen)


def _counts(request: Any) -> list[LetterCount]:
    """Count the letters once per request, for all filters."""
    if not hasattr(request, "celeriac_counts"):
        request.celeriac_counts = project_letters().counts(LetterFilter())
    found: list[LetterCount] = request.celeriac_counts
    return found


def _found(values: Iterable[str]) -> list[tuple[str, str]]:
    return [(value, value) for value in sorted(set(values))]
