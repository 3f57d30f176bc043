"""The admin's pages of dead letters: listed, shown, replayed and discarded, each by those who may."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.text import Truncator

from celeriac.control.letters import Outcome
from celeriac.errors import BrokerError, CeleriacError, LetterError
from celeriac.integrations.django import filters
from celeriac.integrations.django.models import Letter
from celeriac.integrations.django.records_admin import RecordsAdmin, block
from celeriac.integrations.django.rows import LetterRows, project_letters, row_of, searched
from celeriac.records import LetterFilter

#: how long a page may wait for the letters that no recorder has recorded yet
_CATCH_UP_S = 2.0
#: letters read at a time to be named in Django's log
_LOGGED_AT_ONCE = 200
#: failures of an action that are worded one by one
_WORDED_MAX = 5


class LetterList(ChangeList):
    """The list page, read from the records instead of a Django table."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> Any:
        """Give the letters that the filters and the search mean."""
        self.filter_specs, self.has_filters, _, _, self.has_active_filters = self.get_filters(request)
        self.clear_all_filters_qs = self.get_query_string(remove=self.get_filters_params())
        letters = project_letters()
        return LetterRows(letters, searched(letters, self.query, filters.wanted_by(self.filter_specs)))


class LetterAdmin(RecordsAdmin):
    """The admin's pages of dead letters."""

    list_display = ("short_id", "died_at", "state", "reason", "task", "queue", "attempts", "error")
    list_display_links = ("short_id",)
    list_filter = (filters.StateFilter, filters.ReasonFilter, filters.QueueFilter, filters.TaskFilter)
    search_fields = ("task",)
    search_help_text = (
        "A task's name (* and ? stand for others), a task id, or the beginning of a letter's id."
    )
    actions = ("replay", "discard")
    change_form_template = "admin/celeriac/letter/change_form.html"
    fieldsets = (
        (None, {"fields": ("id", "state", "reason", "died_at", "queue", "attempts", "where", "history")}),
        ("Call", {"fields": ("task", "task_id", "call")}),
        ("Failure", {"fields": ("error", "traceback")}),
    )
    readonly_fields = ("where", "history", "task_id", "call", "error", "traceback")

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
        return row

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list, with what still waits in the letters queue."""
        try:
            project_letters().catch_up(_CATCH_UP_S)
        except BrokerError as error:
            self.message_user(request, str(error), messages.WARNING)
        except CeleriacError as error:
            return self.unavailable(request, error)
        try:
            return super().changelist_view(request, extra_context)
        except CeleriacError as error:
            return self.unavailable(request, error)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show one letter, or do to it what a button says."""
        if request.method == "POST":
            for button, act in (("_replay", self.replay), ("_discard", self.discard)):
                if button in request.POST:
                    if not getattr(self, f"has{button}_permission")(request):
                        raise PermissionDenied
                    letters = project_letters()
                    act(request, LetterRows(letters, LetterFilter(ids=(object_id,))))
                    return HttpResponseRedirect(request.path)
        context = {
            **(extra_context or {}),
            "may_replay": self.has_replay_permission(request),
            "may_discard": self.has_discard_permission(request),
        }
        try:
            return super().change_view(request, object_id, form_url, context)
        except CeleriacError as error:
            return self.unavailable(request, error)

    @admin.action(description="Replay selected dead letters", permissions=["replay"])
    def replay(self, request: HttpRequest, rows: LetterRows) -> None:
        """Send their messages once more."""
        self._act(request, rows, "Replayed", project_letters().replay)

    @admin.action(description="Discard selected dead letters", permissions=["discard"])
    def discard(self, request: HttpRequest, rows: LetterRows) -> None:
        """Set them down for good."""
        self._act(request, rows, "Discarded", project_letters().discard)

    @admin.display(description="letter")
    def short_id(self, row: Letter) -> str:
        """As much of the id as people read."""
        return str(row.id)[:8]

    @admin.display(description="error")
    def error(self, row: Letter) -> str:
        """What was raised, in one line."""
        letter = row.letter
        name = (letter.exception or "").rpartition(".")[2]
        text = ": ".join(part for part in (name, letter.message) if part)
        return str(Truncator(text.partition("\n")[0]).chars(100)) or "-"

    @admin.display(description="task id")
    def task_id(self, row: Letter) -> str:
        """The id of the task, which a replay keeps."""
        return row.letter.task_id or "-"

    @admin.display(description="worker")
    def where(self, row: Letter) -> str:
        """Where it died."""
        return " on ".join(part for part in (row.letter.worker, row.letter.host) if part) or "-"

    @admin.display(description="replay of, died again as")
    def history(self, row: Letter) -> str:
        """The letters before and after this one."""
        return f"{row.letter.replay_of or '-'}, {', '.join(row.view.children) or '-'}"

    @admin.display(description="arguments")
    def call(self, row: Letter) -> str:
        """The arguments as JSON, or why they cannot be read."""
        view = row.view
        if view.call is None:
            return f"cannot be read: {view.unreadable}"
        return block(
            json.dumps([view.call.args, view.call.kwargs], indent=2, ensure_ascii=False, default=str)
        )

    @admin.display(description="traceback")
    def traceback(self, row: Letter) -> str:
        """The traceback it died with."""
        return block(row.letter.traceback or "-")

    def _act(
        self, request: HttpRequest, rows: LetterRows, done: str, verb: Callable[[Sequence[str]], Outcome]
    ) -> None:
        """Press a verb on the rows, oldest death first; say what it came to, and write it into Django's log."""
        try:
            outcome = verb(rows.ids()[::-1])
        except CeleriacError as error:
            self.message_user(request, str(error), messages.ERROR)
            return
        for start in range(0, len(outcome.done), _LOGGED_AT_ONCE):
            logged = LetterFilter(ids=outcome.done[start : start + _LOGGED_AT_ONCE])
            for row in LetterRows(project_letters(), logged):
                self.log_change(request, row, f"{done}.")
        if outcome.done:
            number = len(outcome.done)
            letters = "1 dead letter" if number == 1 else f"{number} dead letters"
            self.message_user(request, f"{done} {letters}.", messages.SUCCESS)
        for failure in outcome.failed[:_WORDED_MAX]:
            self.message_user(request, failure.error, messages.ERROR)
        if len(outcome.failed) > _WORDED_MAX:
            self.message_user(
                request, f"… and {len(outcome.failed) - _WORDED_MAX} more failed.", messages.ERROR
            )
