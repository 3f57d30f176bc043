"""The admin's pages of dead letters: listed and shown, replayed and discarded, each by those who may."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.timesince import timesince

from celeriac.errors import BrokerError, CeleriacError, LetterError
from celeriac.integrations.django import filters
from celeriac.integrations.django.letter_actions import (
    AT_ONCE,
    DISCARD,
    REPLAY,
    Action,
    act,
    confirmation,
    confirmed_number,
)
from celeriac.integrations.django.models import Letter
from celeriac.integrations.django.records_admin import RecordsAdmin, RecordsList
from celeriac.integrations.django.related import Links
from celeriac.integrations.django.rows import LetterRows, project_letters, row_of, searched
from celeriac.integrations.django.run_rows import project_history
from celeriac.integrations.django.showing import (
    ID_CHARS,
    block,
    call_line,
    clean,
    clipped,
    listed,
    moment,
    two_lines,
    written,
)
from celeriac.records import LetterFilter

#: how long a page may wait for the letters that no recorder has recorded yet
_CATCH_UP_S = 2.0


class LetterList(RecordsList):
    """The list page."""

    empty_note = (
        "No letter is like this. Without filters, those are listed that wait to be replayed or discarded."
    )

    def found(self) -> LetterRows:
        """Give the letters."""
        letters = project_letters()
        return LetterRows(letters, searched(letters, self.query, filters.wanted_by(self.filter_specs)))


class LetterAdmin(RecordsAdmin):
    """The admin's pages of dead letters."""

    list_display = ("short_id", "what", "when", "queue_name", "why", "attempts")
    list_display_links = ("short_id",)
    list_filter = (
        filters.StateFilter,
        filters.DiedFilter,
        filters.ReasonFilter,
        filters.QueueFilter,
        filters.TaskFilter,
    )
    search_fields = ("task",)
    search_help_text = (
        "A task's name (* and ? stand for others), a task id, or the beginning of a letter's id."
    )
    actions = ("replay", "discard")
    change_form_template = "admin/celeriac/letter/change_form.html"
    fieldsets = (
        (None, {"fields": ("id", "standing", "reason", "died", "queue", "attempts", "where", "history")}),
        ("Call", {"fields": ("task", "task_id", "links", "call")}),
        ("Failure", {"fields": ("error", "traceback")}),
    )
    readonly_fields = (
        *("standing", "died", "where", "history"),
        *("task_id", "links", "call", "error", "traceback"),
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Name the list page."""
        return LetterList

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Say whether this user may replay letters."""
        return bool(request.user.has_perm("celeriac.replay_letter"))

    def has_discard_permission(self, request: HttpRequest) -> bool:
        """Say whether this user may discard letters."""
        return bool(request.user.has_perm("celeriac.discard_letter"))

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Letter | None:
        """Read one letter with its call, None if there is none of that id."""
        try:
            view = project_letters().show(object_id)
        except LetterError:
            return None
        row = row_of(view.letter)
        row.view = view
        row.links = Links(request.user, self.admin_site.name)
        return row

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list, with what still waits in the letters queue."""
        try:
            project_letters().catch_up(_CATCH_UP_S)
        except BrokerError as error:
            self.message_user(request, str(error), messages.WARNING)
        except CeleriacError:
            pass  # the records say it once more, and their page words it
        return super().changelist_view(request, extra_context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show one letter, or do to it what a button says."""
        if request.method == "POST":
            for action in (REPLAY, DISCARD):
                if f"_{action.name}" in request.POST:
                    return self._worded(request, lambda: self._pressed(request, object_id, action))  # noqa: B023
        context = {
            "may_replay": self.has_replay_permission(request),
            "may_discard": self.has_discard_permission(request),
            **(extra_context or {}),
        }
        return super().change_view(request, object_id, form_url, context)

    @admin.action(description="Replay selected dead letters", permissions=["replay"])
    def replay(self, request: HttpRequest, rows: LetterRows) -> HttpResponse | None:
        """Send their messages once more."""
        return self._asked(request, rows, REPLAY)

    @admin.action(description="Discard selected dead letters", permissions=["discard"])
    def discard(self, request: HttpRequest, rows: LetterRows) -> HttpResponse | None:
        """Set them down for good."""
        return self._asked(request, rows, DISCARD)

    @admin.display(description="letter")
    def short_id(self, row: Letter) -> str:
        """As much of the id as people read."""
        return str(row.id)[:ID_CHARS]

    @admin.display(description="task and error")
    def what(self, row: Letter) -> str:
        """What died, and of what."""
        return call_line(row.task, _error(row).partition("\n")[0])

    @admin.display(description="died")
    def when(self, row: Letter) -> str:
        """The day and the time it died."""
        return moment(row.letter.died_at)

    @admin.display(description="died")
    def died(self, row: Letter) -> str:
        """When it died, and how long ago that is."""
        return f"{written(row.letter.died_at)}, {timesince(row.died_at)} ago"

    @admin.display(description="reason")
    def why(self, row: Letter) -> str:
        """What ended it, and whether somebody has decided."""
        return two_lines(row.reason, row.state)

    @admin.display(description="queue")
    def queue_name(self, row: Letter) -> str:
        """Where it was read from."""
        return clipped(row.queue or "-")

    @admin.display(description="state")
    def standing(self, row: Letter) -> str:
        """What was done about it, and when."""
        letter = row.letter
        if letter.state == "replayed":
            return f"replayed to {letter.replayed_to} at {written(letter.replayed_at or 0.0)}"
        if letter.state == "discarded":
            return f"discarded at {written(letter.discarded_at or 0.0)}"
        edited = f", edited at {written(letter.edited_at)}" if letter.edited_at else ""
        return f"{letter.state}{edited}"

    @admin.display(description="task id")
    def task_id(self, row: Letter) -> str:
        """The id of the task, which a replay keeps."""
        return row.letter.task_id or "-"

    @admin.display(description="see also")
    def links(self, row: Letter) -> str:
        """Its run, and its result."""
        task_id = row.letter.task_id
        if not task_id:
            return "-"
        seen, result = project_history().get(task_id), row.links.result(task_id)
        found = [] if seen is None else [row.links.run(task_id, f"run, {seen.outcome.state}")]
        return listed(found + ([] if result is None else [result]))

    @admin.display(description="worker")
    def where(self, row: Letter) -> str:
        """Where it died."""
        return " on ".join(part for part in (row.letter.worker, row.letter.host) if part) or "-"

    @admin.display(description="replays")
    def history(self, row: Letter) -> str:
        """The letters before and after this one."""
        of = row.letter.replay_of
        before = [row.links.letter(of, f"replay of {of[:ID_CHARS]}")] if of else []
        after = [row.links.letter(it, f"died again as {it[:ID_CHARS]}") for it in row.view.children]
        return listed(before + after)

    @admin.display(description="arguments")
    def call(self, row: Letter) -> str:
        """The arguments as JSON, or why they cannot be read."""
        view = row.view
        if view.call is None:
            return clean(f"cannot be read: {view.unreadable}")
        return block(
            json.dumps([view.call.args, view.call.kwargs], indent=2, ensure_ascii=False, default=str)
        )

    @admin.display(description="error")
    def error(self, row: Letter) -> str:
        """What was raised."""
        return block(_error(row) or "-")

    @admin.display(description="traceback")
    def traceback(self, row: Letter) -> str:
        """The traceback it died with."""
        return block(row.letter.traceback or "-")

    def _asked(self, request: HttpRequest, rows: LetterRows, action: Action) -> HttpResponse | None:
        number = confirmed_number(request)
        if number is None:
            return confirmation(self, request, rows, action)
        act(self, request, rows, action, number)
        return None

    def _pressed(self, request: HttpRequest, object_id: str, action: Action) -> HttpResponse:
        """Do what a button of a letter's page says; what cannot be undone is asked once more."""
        if not getattr(self, f"has_{action.name}_permission")(request):
            raise PermissionDenied
        rows = LetterRows(project_letters(), LetterFilter(ids=(unquote(object_id),)))
        if action is DISCARD and confirmed_number(request) is None:
            asked = confirmation(self, request, rows, action)
            if asked is not None:
                return asked
        else:
            act(self, request, rows, action, AT_ONCE)
        return HttpResponseRedirect(request.path)


def _error(row: Letter) -> str:
    letter = row.letter
    name = (letter.exception or "").rpartition(".")[2]
    return ": ".join(part for part in (name, letter.message) if part)
