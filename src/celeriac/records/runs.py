"""The runs in SQL: joined with what is on record, found newest first, pruned in steps."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, true

from celeriac.records.database import Database
from celeriac.records.merging import join_runs
from celeriac.records.outcome import Seen, outcome_of
from celeriac.records.query import matches
from celeriac.records.run import Run, RunFilter
from celeriac.records.run_rows import RUN_COLUMNS, run_from_row
from celeriac.records.schema import runs

#: rows deleted in one transaction; well under a second, in which nobody else can write to a SQLite file
PRUNED_AT_ONCE = 1000


class Runs(Database):
    """The runs at a URL; see `Database`."""

    def keep(self, batch: Iterable[Run]) -> int:
        """Join these runs with what is on record, in one transaction; give how many tasks they were of."""
        with self._joining() as connection:
            return join_runs(connection, batch)

    def get(self, task_id: str) -> Seen | None:
        """Give the run of a task, None if there is none."""
        with self._reading() as connection:
            row = connection.execute(select(*RUN_COLUMNS).where(runs.c.task_id == task_id)).mappings().first()
        return None if row is None else _seen(row)

    def with_prefix(self, prefix: str, limit: int = 10) -> list[str]:
        """Give the task ids that start with `prefix`, at most `limit`."""
        query = select(runs.c.task_id).where(runs.c.task_id.startswith(prefix, autoescape=True))
        with self._reading() as connection:
            return list(connection.execute(query.order_by(runs.c.task_id).limit(limit)).scalars())

    def find(
        self, wanted: RunFilter, limit: int = 50, after: Seen | None = None, skip: int = 0
    ) -> list[Seen]:
        """Give a page of runs, those seen last first.

        after: the last run of the page before; skip: runs passed over before the page begins.
        """
        newest = runs.c.seen_at.desc(), runs.c.task_id.desc()
        query = select(runs.c.task_id).where(_condition(wanted, self._dialect))
        if after is not None:
            at = after.outcome.seen_at
            query = query.where(
                or_(runs.c.seen_at < at, and_(runs.c.seen_at == at, runs.c.task_id < after.run.task_id))
            )
        # Whole runs are read for this page alone, and not for those passed over.
        page = query.order_by(*newest).limit(limit).offset(skip).subquery()
        whole = select(*RUN_COLUMNS).join(page, page.c.task_id == runs.c.task_id).order_by(*newest)
        with self._reading() as connection:
            return [_seen(row) for row in connection.execute(whole).mappings()]

    def count(self, wanted: RunFilter, at_most: int | None = None) -> int:
        """Count the runs that match; at most so many, where more would say no more."""
        matching = select(runs.c.task_id).where(_condition(wanted, self._dialect)).limit(at_most).subquery()
        with self._reading() as connection:
            return int(connection.execute(select(func.count()).select_from(matching)).scalar_one())

    def prune(self, keep: timedelta) -> int:
        """Delete at most `PRUNED_AT_ONCE` runs of which nothing was seen for longer than `keep`; give how many."""
        before = self._clock.wall() - keep.total_seconds()
        oldest = select(runs.c.task_id).where(runs.c.seen_at < before).order_by(runs.c.seen_at)
        with self._joining() as connection:
            return connection.execute(
                runs.delete().where(runs.c.task_id.in_(oldest.limit(PRUNED_AT_ONCE)))
            ).rowcount


def _seen(row: Any) -> Seen:
    run = run_from_row(row)
    return Seen(run=run, outcome=outcome_of(run))


def _condition(wanted: RunFilter, dialect: str) -> ColumnElement[bool]:
    found: list[ColumnElement[bool]] = [true()]
    for column, pattern in ((runs.c.task, wanted.task), (runs.c.worker, wanted.worker)):
        if pattern is not None:
            found.append(matches(column, pattern, dialect))
    for column, value in (
        (runs.c.queue, wanted.queue),
        (runs.c.root_id, wanted.root_id),
        (runs.c.group_id, wanted.group_id),
    ):
        if value is not None:
            found.append(column == value)
    if wanted.states is not None:
        found.append(runs.c.state.in_(wanted.states))
    if wanted.seen_after is not None:
        found.append(runs.c.seen_at >= wanted.seen_after)
    if wanted.seen_before is not None:
        found.append(runs.c.seen_at < wanted.seen_before)
    if wanted.ran_s is not None:
        found.append(runs.c.run_s >= wanted.ran_s)
    if wanted.text is not None:
        texts = (runs.c.task, runs.c.args, runs.c.kwargs, runs.c.error, runs.c.traceback)
        found.append(or_(*(column.icontains(wanted.text, autoescape=True) for column in texts)))
    return and_(*found)
