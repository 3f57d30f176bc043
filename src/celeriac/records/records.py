"""The letters in SQL: inserted once each, found newest first, changed only from the state they must be in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, update

from celeriac.records.database import Database
from celeriac.records.deaths import insert_once, settled_at
from celeriac.records.letter import Letter, LetterCount, LetterFilter
from celeriac.records.merging import join_deaths
from celeriac.records.query import condition, newest_ids
from celeriac.records.rows import from_row, to_row
from celeriac.records.schema import letters


class Records(Database):
    """The letters at a URL; see `Database`."""

    def insert_letters(self, batch: Sequence[Letter]) -> int:
        """Keep these letters, each once however often it comes; give how many were new.

        A task id may be used again, so that its next death comes under the id of the last: with another body, or
        after that letter was replayed or discarded. It is then kept under an id of its own. The runs on record of these
        tasks end in the same transaction.
        """
        if not batch:
            return 0
        with self._joining() as connection:
            new = insert_once(connection, batch, self._clock.wall())
            join_deaths(connection, batch)
            return new

    def get(self, letter_id: str) -> Letter | None:
        """Give one letter, None if there is none of that id."""
        with self._reading() as connection:
            row = connection.execute(select(letters).where(letters.c.id == letter_id)).mappings().first()
        return None if row is None else from_row(dict(row))

    def with_prefix(self, prefix: str, limit: int = 10) -> list[str]:
        """Give the ids that start with `prefix`, at most `limit`."""
        query = select(letters.c.id).where(letters.c.id.startswith(prefix, autoescape=True))
        with self._reading() as connection:
            return list(connection.execute(query.order_by(letters.c.id).limit(limit)).scalars())

    def find(
        self, wanted: LetterFilter, limit: int = 50, after: Letter | None = None, skip: int = 0
    ) -> list[Letter]:
        """Give a page of letters, newest death first.

        after: the last letter of the page before; skip: letters passed over before the page begins.
        """
        page = newest_ids(wanted, limit, skip, after, self._dialect)
        query = select(letters).join(page, page.c.id == letters.c.id)
        query = query.order_by(letters.c.died_at.desc(), letters.c.id.desc())
        with self._reading() as connection:
            return [from_row(dict(row)) for row in connection.execute(query).mappings()]

    def tasks(self, limit: int = 100) -> list[str]:
        """Give the names of tasks that have letters, in order, at most `limit`; each costs one look at the index."""
        name = select(func.min(letters.c.task).label("task")).cte("names", recursive=True)
        later = select(func.min(letters.c.task)).where(letters.c.task > name.c.task).scalar_subquery()
        names = name.union_all(select(later).where(name.c.task.is_not(None)))
        with self._reading() as connection:
            found = connection.execute(select(names.c.task).limit(limit + 1)).scalars()
            return [each for each in found if each is not None][:limit]

    def ids(self, wanted: LetterFilter) -> list[str]:
        """Give the ids of all letters that match, oldest death first."""
        query = select(letters.c.id).where(condition(wanted, self._dialect))
        with self._reading() as connection:
            return list(connection.execute(query.order_by(letters.c.died_at, letters.c.id)).scalars())

    def count(self, wanted: LetterFilter) -> int:
        """Count the letters that match."""
        query = select(func.count()).select_from(letters).where(condition(wanted, self._dialect))
        with self._reading() as connection:
            return int(connection.execute(query).scalar_one())

    def counts(self, wanted: LetterFilter) -> list[LetterCount]:
        """Count the letters that match by state, reason, task and queue; the most first."""
        key = (letters.c.state, letters.c.reason, letters.c.task, letters.c.queue)
        number, last = func.count().label("letters"), func.max(letters.c.died_at).label("last_died_at")
        query = select(*key, number, last).where(condition(wanted, self._dialect)).group_by(*key)
        with self._reading() as connection:
            found = connection.execute(query.order_by(number.desc(), last.desc())).mappings()
            return [LetterCount(**row) for row in found]

    def claim(self, letter_id: str, token: str, queue: str) -> bool:
        """Take a waiting letter for a replay to `queue`; False if it is not waiting any more."""
        return self._change(
            letter_id, ("waiting",), state="replaying", replayed_to=queue, **self._claimed(token)
        )

    def take_over(self, letter_id: str, token: str, holder: str | None) -> bool:
        """Take a replay that `holder` broke off; False if it is no longer his."""
        return self._change(letter_id, ("replaying",), holder=(holder,), **self._claimed(token))

    def settle(self, letter_id: str, token: str) -> bool:
        """Say that the replay claimed with `token` was published; False if the claim was taken over."""
        return self._change(
            letter_id, ("replaying",), holder=(token,), state="replayed", replayed_at=self._clock.wall()
        )

    def release(self, letter_id: str, token: str) -> bool:
        """Give a claimed letter back, surely unpublished; False if the claim was taken over."""
        return self._change(
            letter_id,
            ("replaying",),
            holder=(token,),
            state="waiting",
            claim=None,
            claimed_at=None,
            replayed_to=None,
        )

    def discard(self, letter_id: str) -> bool:
        """Set a waiting letter down for good (it is kept); False if it is not waiting."""
        return self._change(letter_id, ("waiting",), state="discarded", discarded_at=self._clock.wall())

    def amend(self, letter: Letter, expected_edit: float | None) -> bool:
        """Write the message of an edited letter; False if it is not waiting, or somebody edited it meanwhile.

        expected_edit: `edited_at` of the letter the edit began with.
        """
        row = to_row(letter, 0.0)
        names = ("body", "content_type", "content_encoding", "headers", "properties", "original")
        kept = ("task", "task_id", "root_id", "parent_id", "group_id")
        return self._change(
            letter.id,
            ("waiting",),
            edited=(expected_edit,),
            edited_at=self._clock.wall(),
            **{name: row[name] for name in names + kept},
        )

    def prune(self, keep: timedelta) -> int:
        """Delete the letters that were replayed or discarded longer than `keep` ago; give how many."""
        before = self._clock.wall() - keep.total_seconds()
        with self._transaction() as connection:
            gone = connection.execute(
                letters.delete().where(letters.c.state.in_(("replayed", "discarded")), settled_at < before)
            )
            return gone.rowcount

    def _claimed(self, token: str) -> dict[str, Any]:
        return {"claim": token, "claimed_at": self._clock.wall()}

    def _change(
        self,
        letter_id: str,
        states: tuple[str, ...],
        *,
        holder: tuple[str | None] | None = None,
        edited: tuple[float | None] | None = None,
        **values: Any,
    ) -> bool:
        """Change one letter if it still is as it must be: one UPDATE, so that of two at once one wins."""
        change = update(letters).where(letters.c.id == letter_id, letters.c.state.in_(states))
        if holder is not None:
            change = change.where(letters.c.claim.is_not_distinct_from(holder[0]))
        if edited is not None:
            change = change.where(letters.c.edited_at.is_not_distinct_from(edited[0]))
        with self._transaction() as connection:
            return connection.execute(change.values(**values)).rowcount == 1
