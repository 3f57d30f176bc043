"""The task runs of the records as the rows of an admin list."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from msgspec.structs import replace

from celeriac.control.runs import History
from celeriac.integrations.django.models import Run
from celeriac.integrations.django.project import project_app
from celeriac.records import RunFilter, Seen

#: a list goes no further down; older runs are reached by the time
LISTED_MAX = 10_000


@cache
def project_history() -> History:
    """Give the runs of the project; safe to use from several threads."""
    return History(project_app().celeriac.plan)  # type: ignore[attr-defined]


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
        return self._history.count(self._wanted, LISTED_MAX)

    def last(self) -> Seen | None:
        """Give the last run of a list that goes no further down, None if it is not that long."""
        found = self._history.page(self._wanted, 1, skip=LISTED_MAX - 1)
        return found[0] if found else None

    def __getitem__(self, page: slice) -> list[Run]:
        start, stop = page.start or 0, min(page.stop or LISTED_MAX, LISTED_MAX)
        return [row_of(each) for each in self._history.page(self._wanted, stop - start, skip=start)]

    def _clone(self) -> list[Run]:
        """Give all rows at once, as Django asks for a list that fits on one page."""
        return self[:]


class NamedRuns(list[Run]):
    """The runs whose task ids were searched for."""

    def __init__(self, found: Iterable[Seen]) -> None:
        super().__init__(map(row_of, found))

    def last(self) -> None:
        """There are no more."""

    def _clone(self) -> NamedRuns:
        return self


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
