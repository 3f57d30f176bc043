"""The filters beside the admin's list of dead letters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.utils.text import Truncator

from celeriac.control.letters import OPEN
from celeriac.integrations.django.moments import MomentFilter
from celeriac.integrations.django.project import project_plan
from celeriac.integrations.django.rows import project_letters
from celeriac.records import LetterFilter
from celeriac.records.letter import STATES, State
from celeriac.wire import REASONS

_ALL = "all"
_NAME_CHARS_MAX = 60


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


class DiedFilter(MomentFilter):
    """By when it died."""

    title = "death"


class ReasonFilter(_LetterFilter):
    """By what ended the task."""

    title = parameter_name = "reason"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return _named(REASONS)


class QueueFilter(_LetterFilter):
    """By the queue it died on: one of the plan's, or the one that is asked for."""

    title = parameter_name = "queue"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return _named(dict.fromkeys([*project_plan().queues, *filter(None, [self.value()])]))


class TaskFilter(_LetterFilter):
    """By the exact name of a task that has letters."""

    title = parameter_name = "task"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return _named(dict.fromkeys([*project_letters().tasks(), *filter(None, [self.value()])]))


def wanted_by(specs: Iterable[Any]) -> LetterFilter:
    """Give the letters that the chosen filters mean together."""
    chosen: dict[str, Any] = {"states": OPEN}
    for spec in specs:
        if isinstance(spec, StateFilter):
            chosen["states"] = spec.states()
        elif isinstance(spec, MomentFilter):
            chosen |= {"died_after": spec.after, "died_before": spec.before}
        elif spec.value():
            chosen[spec.parameter_name] = spec.value()
    return LetterFilter(**chosen)


def _named(values: Iterable[str]) -> list[tuple[str, str]]:
    return [(value, str(Truncator(value).chars(_NAME_CHARS_MAX))) for value in values]
