"""Replaying and discarding dead letters in the admin: asked once more, done to so many at a time, logged, and told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.text import Truncator

from celeriac.control.letters import Letters, Outcome
from celeriac.errors import CeleriacError
from celeriac.integrations.django.rows import LetterRows, project_letters
from celeriac.integrations.django.showing import clean
from celeriac.records import LetterFilter

#: letters one press acts on: a browser does not wait for ever
AT_ONCE = 500
#: letters read at a time to be named in Django's log
_LOGGED_AT_ONCE = 200
#: failures of an action that are worded one by one
_WORDED_MAX = 5
_KINDS_MAX = 20
_NAME_CHARS_MAX = 80


@dataclass(frozen=True)
class Action:
    """A verb on letters, as the admin words it."""

    name: str
    verb: str
    done: str
    meaning: str
    press: Callable[[Letters, Sequence[str]], Outcome]


REPLAY = Action(
    "replay",
    "Replay",
    "Replayed",
    "Their messages are sent once more, each to the queue it died on, the oldest death first.",
    lambda letters, ids: letters.replay(ids),
)
DISCARD = Action(
    "discard",
    "Discard",
    "Discarded",
    "They are set down for good: they can be looked at, as long as the plan keeps them, but no longer replayed.",
    lambda letters, ids: letters.discard(ids),
)


def confirmed_number(request: HttpRequest) -> int | None:
    """Give how many letters the user has confirmed, None if he has not been asked yet."""
    text = request.POST.get("confirmed", "")
    return int(text) if text.isascii() and text.isdigit() else None


def confirmation(admin: Any, request: HttpRequest, rows: LetterRows, action: Action) -> HttpResponse | None:
    """Give the page that asks whether the action is meant; None if there is nothing to do it to."""
    number = rows.count()
    if not number:
        admin.message_user(request, "None of these letters is there any more.", messages.WARNING)
        return None
    now = min(number, AT_ONCE)
    context = {
        **admin.admin_site.each_context(request),
        "title": f"{action.verb} {how_many(number)}?",
        "opts": admin.opts,
        "media": admin.media,
        "verb": action.verb,
        "meaning": action.meaning,
        "number": now,
        "letters": how_many(now),
        "left": number - now,
        "limit": f"The {now:,} that died first are done at once; then press it again, or type"
        f" manage.py celeriac dead {action.name} --all.",
        "is_final": action is DISCARD,
        "kinds": _kinds(rows),
        "fields": _fields(request),
    }
    return TemplateResponse(request, "admin/celeriac/letter/confirm.html", context)


def act(admin: Any, request: HttpRequest, rows: LetterRows, action: Action, at_most: int = AT_ONCE) -> None:
    """Press the verb on the rows, oldest death first; say what it came to, and write it into Django's log."""
    ids = rows.ids()[::-1]
    try:
        outcome = action.press(project_letters(), ids[: min(at_most, AT_ONCE)])
    except CeleriacError as error:
        admin.message_user(request, str(error), messages.ERROR)
        return
    for start in range(0, len(outcome.done), _LOGGED_AT_ONCE):
        logged = LetterFilter(ids=outcome.done[start : start + _LOGGED_AT_ONCE])
        LogEntry.objects.log_actions(
            request.user.pk, LetterRows(project_letters(), logged), CHANGE, f"{action.done}."
        )
    if outcome.done:
        left = len(ids) - len(outcome.done) - len(outcome.failed)
        more = f" {left:,} left." if left else ""
        admin.message_user(request, f"{action.done} {how_many(len(outcome.done))}.{more}", messages.SUCCESS)
    for failure in outcome.failed[:_WORDED_MAX]:
        admin.message_user(request, clean(failure.error), messages.ERROR)
    if len(outcome.failed) > _WORDED_MAX:
        rest = len(outcome.failed) - _WORDED_MAX
        admin.message_user(request, f"… and {rest:,} more failed.", messages.ERROR)


def how_many(number: int) -> str:
    """Write a number of dead letters."""
    return "1 dead letter" if number == 1 else f"{number:,} dead letters"


def _kinds(rows: LetterRows) -> list[tuple[str, ...]]:
    """Say what the letters are of, the most first: how many, task, reason and queue."""
    counts: dict[tuple[str, str, str], int] = {}
    for each in rows.counts():
        key = (each.task or "a message that names no task", each.reason, each.queue)
        counts[key] = counts.get(key, 0) + each.letters
    lines: list[tuple[str, ...]] = [
        (f"{number:,}", *(str(Truncator(part).chars(_NAME_CHARS_MAX)) for part in parts))
        for parts, number in sorted(counts.items(), key=lambda it: -it[1])
    ]
    more = len(lines) - _KINDS_MAX
    return lines[:_KINDS_MAX] + ([(f"… and {more:,} other kinds",)] if more > 0 else [])


def _fields(request: HttpRequest) -> Iterable[tuple[str, str]]:
    """Give what was posted, to be posted again with the confirmation."""
    across = request.POST.get("select_across") == "1"
    for name, values in request.POST.lists():
        if name == "csrfmiddlewaretoken":
            continue
        # Those of the page tell nothing where all are meant, and a form may hold a thousand fields only.
        kept = values[:1] if across and name == ACTION_CHECKBOX_NAME else values
        yield from ((name, value) for value in kept)
