"""The admin's pages of task runs: listed, found by id, task, text or time, and shown with what belongs to them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest, HttpResponse

from celeriac.control.runs import workers_of
from celeriac.errors import RecordsError
from celeriac.integrations.django.models import Run
from celeriac.integrations.django.moments import SINCE, UNTIL, MomentFilter, as_typed
from celeriac.integrations.django.project import project_plan
from celeriac.integrations.django.records_admin import RecordsAdmin, RecordsList
from celeriac.integrations.django.related import Links
from celeriac.integrations.django.run_rows import LISTED_MAX, NamedRuns, RunRows, project_history, row_of
from celeriac.integrations.django.showing import (
    ID_CHARS,
    block,
    call_line,
    clipped,
    listed,
    moment,
    written,
)
from celeriac.records.run import RUN_STATES

#: what is typed may be the beginning of a task id only if it is at least this long; lists show as much
_PREFIX_CHARS_MIN = ID_CHARS


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


class SeenFilter(MomentFilter):
    """By when it was last seen."""

    title = "last seen"

    def queryset(self, request: Any, queryset: RunRows) -> RunRows:
        return queryset.narrowed(seen_after=self.after, seen_before=self.before)


class RunList(RecordsList):
    """The list page."""

    empty_note = "No run is like this."
    #: the page of what is past the end of the list
    older: str | None = None

    def found(self) -> RunRows | NamedRuns:
        """Give the runs."""
        rows = RunRows(project_history())
        for spec in self.filter_specs:
            rows = spec.queryset(None, rows)
        text = self.query.strip()
        if not text:
            return rows
        if set(text) & {"*", "?"}:
            return rows.narrowed(task=text)
        named = project_history().get(text)
        if named is not None:
            return NamedRuns([named])
        if len(text) >= _PREFIX_CHARS_MIN and (begun := project_history().with_prefix(text)):
            return NamedRuns(begun)
        return rows.narrowed(text=text)

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, and the way on where the list ends before the runs do."""
        super().get_results(request)
        if self.result_count == LISTED_MAX and (last := self.queryset.last()) is not None:
            # A millisecond is as exact as a browser's field: what was seen in the same one is listed again.
            until = as_typed(last.outcome.seen_at + 0.001)
            span = [SINCE] if self.params.get(SINCE, "").isalpha() else []
            self.older = self.get_query_string({UNTIL: until}, ["p", *span])


class RunAdmin(RecordsAdmin):
    """The admin's pages of task runs."""

    list_display = ("short_id", "what", "state", "seen", "ran", "queue_name", "worker", "attempts")
    list_display_links = ("short_id",)
    list_filter = (StateFilter, SeenFilter, QueueFilter)
    search_fields = ("task",)
    search_help_text = (
        "A task id or its first eight characters, a task's name with * and ?,"
        " or text in names, arguments and errors."
    )
    fieldsets = (
        (
            None,
            {"fields": ("id", "state", "task", "queue", "workers", "attempts", "waited", "ran", "arguments")},
        ),
        ("What was seen of it", {"fields": ("sightings", "links", "family")}),
        ("Failure", {"fields": ("error", "traceback")}),
    )
    readonly_fields = (
        *("workers", "waited", "ran", "arguments", "sightings", "links", "family"),
        *("error", "traceback"),
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Name the list page."""
        return RunList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Run | None:
        """Read one run, None if none of that task is on record."""
        history = project_history()
        if history.get(object_id) is None:
            return None
        try:
            view = history.show(object_id)
        except RecordsError as error:
            if error.code != "RECORD-011":
                raise
            return None  # it was deleted in this very moment
        row = row_of(view.seen)
        row.view = view
        row.links = Links(request.user, self.admin_site.name)
        return row

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list."""
        if not project_history().is_kept:
            self.message_user(
                request, "No runs are recorded: add a table [records] to the plan.", messages.WARNING
            )
        return super().changelist_view(request, extra_context)

    @admin.display(description="task id")
    def short_id(self, row: Run) -> str:
        """As much of the id as people read."""
        return str(row.id)[:ID_CHARS]

    @admin.display(description="task and error")
    def what(self, row: Run) -> str:
        """What ran, and what it raised last."""
        return call_line(row.task, _error(row).partition("\n")[0])

    @admin.display(description="last seen")
    def seen(self, row: Run) -> str:
        """When anything was seen of it last."""
        return moment(row.seen.outcome.seen_at)

    @admin.display(description="queue")
    def queue_name(self, row: Run) -> str:
        """Where it was sent."""
        return clipped(row.queue or "-")

    @admin.display(description="worker")
    def worker(self, row: Run) -> str:
        """The worker it began on last."""
        return clipped((workers_of(row.seen) or [row.seen.outcome.worker or "-"])[-1])

    @admin.display(description="workers")
    def workers(self, row: Run) -> str:
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
        """Every state it was seen in, in the site's time zone."""
        lines = (
            f"{written(each.at, 3)}  {each.state:<9}  {each.worker or ''}".rstrip()
            for each in row.seen.run.history
        )
        return block("\n".join(lines))

    @admin.display(description="see also")
    def links(self, row: Run) -> str:
        """Its letters, and its result."""
        result = row.links.result(row.id)
        letters = [row.links.letter_line(each) for each in row.view.letters]
        return listed(letters + ([] if result is None else [result]))

    @admin.display(description="of the same root")
    def family(self, row: Run) -> str:
        """What it is part of: the runs that came of the same root task, those seen last first."""
        family, count = row.view.family, row.view.family_count
        more = [f"… and {count - len(family)} more"] if count > len(family) else []
        return listed([row.links.run_line(each) for each in family] + more)

    @admin.display(description="error")
    def error(self, row: Run) -> str:
        """What was raised last."""
        return block(_error(row) or "-")

    @admin.display(description="traceback")
    def traceback(self, row: Run) -> str:
        """The last traceback."""
        mishap = row.seen.run.mishap
        return block((mishap.traceback if mishap else None) or "-")


def _error(row: Run) -> str:
    mishap = row.seen.run.mishap
    return (mishap.error or "") if mishap else ""


def _span(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.3f} s"
