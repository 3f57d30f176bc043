"""The dead letters of the records as the rows of an admin list: counted, sliced and picked by their ids."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from functools import cache

from msgspec.structs import replace

from celeriac.control.letters import OPEN, Letters
from celeriac.errors import LetterError
from celeriac.integrations.django.models import Letter
from celeriac.integrations.django.project import project_app
from celeriac.records import Letter as Recorded
from celeriac.records import LetterCount, LetterFilter

_ID = re.compile(r"[0-9a-fA-F-]{4,64}\Z")


@cache
def project_letters() -> Letters:
    """Give the letters of the project; safe to use from several threads."""
    app = project_app()
    return Letters(app.celeriac.plan, lambda: app)  # type: ignore[attr-defined]


class LetterRows:
    """Letters of a filter, newest first: as much of a Django queryset as the admin's lists and actions ask for."""

    #: asked by Django's paginator
    ordered = True

    def __init__(self, letters: Letters, wanted: LetterFilter) -> None:
        self._letters = letters
        self._wanted = wanted

    def count(self) -> int:
        """Count them all."""
        return self._letters.count(self._wanted)

    def ids(self) -> list[str]:
        """Give the ids of all of them, newest death first."""
        return self._letters.matching(self._wanted)[::-1]

    def filter(self, *, pk__in: Collection[str]) -> LetterRows:
        """Keep those of these ids only."""
        kept = set(pk__in) if self._wanted.ids is None else set(pk__in).intersection(self._wanted.ids)
        return LetterRows(self._letters, replace(self._wanted, ids=tuple(kept)))

    def counts(self) -> list[LetterCount]:
        """Count them by what they are."""
        return self._letters.counts(self._wanted)

    def __getitem__(self, page: slice) -> list[Letter]:
        """Read one page."""
        start = page.start or 0
        stop = self.count() if page.stop is None else page.stop
        return [row_of(each) for each in self._letters.page(self._wanted, stop - start, skip=start)]

    def __iter__(self) -> Iterator[Letter]:
        return iter(self[:])

    def _clone(self) -> list[Letter]:
        """Give all rows at once, as Django asks for a list that fits on one page."""
        return self[:]


def row_of(letter: Recorded) -> Letter:
    """Make a row of a recorded letter, which stays reachable as `row.letter`."""
    row = Letter(
        id=letter.id,
        died_at=datetime.fromtimestamp(letter.died_at, UTC),
        state=letter.state,
        reason=letter.reason,
        task=letter.task or "",
        queue=letter.queue,
        attempts=letter.attempts,
    )
    row.letter = letter
    return row


def searched(letters: Letters, text: str, wanted: LetterFilter) -> LetterFilter:
    """Narrow a filter by what was typed: a task id, the beginning of a letter's id, or (a glob over) a task's name.

    A letter that is named is found whatever its state, unless one was chosen.
    """
    text = text.strip()
    if not text:
        return wanted
    named = replace(wanted, states=None) if wanted.states == OPEN else wanted
    if letters.count(LetterFilter(task_id=text)):
        return replace(named, task_id=text)
    if _ID.match(text):
        try:
            return replace(named, ids=(letters.resolve(text.lower()),))
        except LetterError:
            pass  # it may still be part of a task's name
    return replace(wanted, task=text if set(text) & {"*", "?"} else f"*{text}*")
