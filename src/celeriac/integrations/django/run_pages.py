"""The admin's pages of task runs: listed and shown, as the recorder has seen them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest, HttpResponse
from django.utils.text import Truncator
from msgspec.structs import replace

from celeriac.control.runs import History, run_filter, workers_of
from celeriac.errors import CeleriacError
from celeriac.integrations.django.models import Run
from celeriac.integrations.django.project import project_app, project_plan
from celeriac.integrations.django.records_admin import RecordsAdmin, block
from celeriac.records import RunFilter, Seen
from celeriac.records.run import RUN_STATES

#: the records are read from the newest on, so a page this far down is the last
_LISTED_MAX = 10_000
_READ_AT_ONCE = 500
_SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}


@cache
def project_history() -> History:
    """Give the runs of the project; safe to use from several threads."""
    return History(project_app().celeriac.plan)  # type: ignore[attr-defined]


class StateFilter(admin.SimpleListFilter):
    """By state."""

    title = parameter_name = "state"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return [(state, state.capitalize()) for state in RUN_STATES]

    def queryset(self, request: Any, queryset: RunRows) -> RunRows:
        states = tuple(state for state in RUN_STATES if state == self.value())
        return queryset.narrowed(states=states) if states else queryset


class QueueFilter(admin.SimpleListFilter):
    """By a queue of the plan."""

    title = parameter_name = "queue"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in project_plan().queues]

    def queryset(self, request: Any, queryset: RunRows) -> RunRows:
        return queryset.narrowed(queue=self.value()) if self.value() else queryset


class SinceFilter(admin.SimpleListFilter):
    """By when it was last seen."""

    title = "last seen"
    parameter_name = "since"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, f"In the last {name}") for name in _SPANS]

    def queryset(self, request: Any, queryset: RunRows) -> RunRows:
        span = _SPANS.get(self.value() or "")
        return queryset.narrowed(seen_after=run_filter(since=span).seen_after) if span else queryset


class RunRows:
    """Runs of a filter, those seen last first: as much of a Django queryset as the admin's lists ask for."""

    #: asked by Django's paginator
    ordered = True

    def __init__(self, history: History, wanted: RunFilter = RunFilter()) -> None:  # noqa: B008 - frozen
        self._history = history
        self._wanted = wanted

    def narrowed(self, **fields: Any) -> RunRows:
        """Keep those that also have these fields."""
        return RunRows(self._history, replace(self._wanted, **fields))

    def count(self) -> int:
        """Count as many as are listed."""
        return min(self._history.count(self._wanted), _LISTED_MAX)

    def __getitem__(self, page: slice) -> list[Run]:
        return [
            row_of(each)
            for each in islice(self._all(), page.start, min(page.stop or _LISTED_MAX, _LISTED_MAX))
        ]

    def _clone(self) -> list[Run]:
        """Give all rows at once, as Django asks for a list that fits on one page."""
        return self[:]

    def _all(self) -> Iterator[Seen]:
        found = self._history.page(self._wanted, _READ_AT_ONCE)
        while found:
            yield from found
            found = self._history.page(self._wanted, _READ_AT_ONCE, found[-1])


def row_of(seen: Seen) -> Run:
    """Make a row of a run, which stays reachable as `row.seen`."""
    outcome, description = seen.outcome, seen.run.description
    row = Run(
        id=seen.run.task_id,
        seen_at=datetime.fromtimestamp(outcome.seen_at, UTC),
        state=outcome.state,
        task=description.task or "",
        queue=description.queue or "",
        attempts=outcome.attempts,
    )
    row.seen = seen
    return row


class RunList(ChangeList):
    """The list page, read from the records instead of a Django table."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> Any:
        """Give the runs that the filters and the search mean."""
        self.filter_specs, self.has_filters, _, _, self.has_active_filters = self.get_filters(request)
        self.clear_all_filters_qs = self.get_query_string(remove=self.get_filters_params())
        rows = RunRows(project_history())
        for spec in self.filter_specs:
            rows = spec.queryset(request, rows)
        text = self.query.strip()
        if not text:
            return rows
        if set(text) & {"*", "?"}:
            return rows.narrowed(task=text)
        seen = project_history().get(text)
        return OneRow(seen) if seen is not None else rows.narrowed(text=text)


class OneRow(list[Run]):
    """The run whose task id was searched for."""

    def __init__(self, seen: Seen) -> None:
        super().__init__([row_of(seen)])

    def _clone(self) -> OneRow:
        return self


class RunAdmin(RecordsAdmin):
    """The admin's pages of task runs."""

    list_display = ("id", "seen_at", "state", "task", "queue", "worker", "attempts", "ran", "error")
    list_filter = (StateFilter, QueueFilter, SinceFilter)
    search_fields = ("task",)
    search_help_text = "A task id, a task's name with * and ?, or text in names, arguments and errors."
    fieldsets = (
        (
            None,
            {"fields": ("id", "state", "task", "queue", "worker", "attempts", "waited", "ran", "arguments")},
        ),
        ("What was seen of it", {"fields": ("sightings", "lineage")}),
        ("Failure", {"fields": ("error", "traceback")}),
    )
    readonly_fields = ("worker", "waited", "ran", "arguments", "sightings", "lineage", "error", "traceback")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Name the list page."""
        return RunList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Run | None:
        """Read one run, None if none of that task is on record."""
        seen = project_history().get(object_id)
        return None if seen is None else row_of(seen)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list."""
        if not project_history().is_kept:
            self.message_user(
                request, "No runs are recorded: add a table [records] to the plan.", messages.WARNING
            )
        try:
            return super().changelist_view(request, extra_context)
        except CeleriacError as error:
            return self.unavailable(request, error)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show one run."""
        try:
            return super().change_view(request, object_id, form_url, extra_context)
        except CeleriacError as error:
            return self.unavailable(request, error)

    @admin.display(description="worker")
    def worker(self, row: Run) -> str:
        """The workers it began on, in order."""
        return ", ".join(workers_of(row.seen)) or row.seen.outcome.worker or "-"

    @admin.display(description="ran for")
    def ran(self, row: Run) -> str:
        """How long the last attempt ran."""
        return _span(row.seen.outcome.run_s)

    @admin.display(description="waited")
    def waited(self, row: Run) -> str:
        """How long the last attempt could have run before it did."""
        return _span(row.seen.outcome.wait_s)

    @admin.display(description="arguments")
    def arguments(self, row: Run) -> str:
        """The arguments, as far as the plan lets them be kept."""
        description = row.seen.run.description
        kept = [each for each in (description.args, description.kwargs) if each is not None]
        return block("\n".join(kept) or "not kept")

    @admin.display(description="history")
    def sightings(self, row: Run) -> str:
        """Every state it was seen in."""
        lines = (
            f"{datetime.fromtimestamp(each.at, UTC):%Y-%m-%d %H:%M:%S.%f} UTC  {each.state:<9}  {each.worker or ''}"
            for each in row.seen.run.history
        )
        return block("\n".join(lines))

    @admin.display(description="root, parent, group")
    def lineage(self, row: Run) -> str:
        """What it is part of."""
        of = row.seen.run.description
        return ", ".join(each or "-" for each in (of.root_id, of.parent_id, of.group_id))

    @admin.display(description="error")
    def error(self, row: Run) -> str:
        """What was raised last, in one line."""
        mishap = row.seen.run.mishap
        text = (mishap.error or "") if mishap else ""
        return str(Truncator(text.partition("\n")[0]).chars(100)) or "-"

    @admin.display(description="traceback")
    def traceback(self, row: Run) -> str:
        """The last traceback."""
        mishap = row.seen.run.mishap
        return block((mishap.traceback if mishap else None) or "-")


def _span(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.3f} s"
