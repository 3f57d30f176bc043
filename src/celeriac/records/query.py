"""Which letters are meant, as SQL."""

from __future__ import annotations

from msgspec.structs import replace
from sqlalchemy import ColumnElement, Subquery, and_, or_, select, true, union_all

from celeriac.records.letter import Letter, LetterFilter
from celeriac.records.schema import letters


def condition(wanted: LetterFilter, dialect: str) -> ColumnElement[bool]:
    """Give the condition that the letters of `wanted` meet.

    dialect: "sqlite" or "postgresql".
    """
    found: list[ColumnElement[bool]] = [true()]
    if wanted.ids is not None:
        found.append(letters.c.id.in_(wanted.ids))
    if wanted.task is not None:
        found.append(matches(letters.c.task, wanted.task, dialect))
    if wanted.task_id is not None:
        found.append(letters.c.task_id == wanted.task_id)
    if wanted.queue is not None:
        found.append(letters.c.queue == wanted.queue)
    if wanted.reason is not None:
        found.append(letters.c.reason == wanted.reason)
    if wanted.states is not None:
        found.append(letters.c.state.in_(wanted.states))
    if wanted.died_before is not None:
        found.append(letters.c.died_at < wanted.died_before)
    if wanted.died_after is not None:
        found.append(letters.c.died_at >= wanted.died_after)
    if wanted.replay_of is not None:
        found.append(letters.c.replay_of == wanted.replay_of)
    return and_(*found)


def newest_ids(wanted: LetterFilter, limit: int, skip: int, after: Letter | None, dialect: str) -> Subquery:
    """Give the ids and deaths of a page of letters, so that whole letters are read for that page alone.

    Each state is asked for on its own: the index holds the deaths of one state in order, not those of several.
    """
    of_states = [wanted] if wanted.states is None else [replace(wanted, states=(it,)) for it in wanted.states]
    newest = letters.c.died_at.desc(), letters.c.id.desc()
    found = []
    for each in of_states or [wanted]:
        query = select(letters.c.id, letters.c.died_at).where(condition(each, dialect))
        if after is not None:
            is_older = and_(letters.c.died_at == after.died_at, letters.c.id < after.id)
            query = query.where(or_(letters.c.died_at < after.died_at, is_older))
        found.append(select(query.order_by(*newest).limit(limit + skip).subquery()))
    together = union_all(*found).subquery()
    page = select(together).order_by(together.c.died_at.desc(), together.c.id.desc())
    return page.limit(limit).offset(skip).subquery()


def matches(names: ColumnElement[str], pattern: str, dialect: str) -> ColumnElement[bool]:
    """Match names exactly, in both dialects with regard to case; only * and ? stand for others."""
    if dialect == "sqlite":
        # SQLite's LIKE ignores case; its GLOB does not, but also knows [sets].
        return names.op("GLOB", is_comparison=True)(pattern.replace("[", "[[]"))
    escaped = pattern.replace("/", "//").replace("%", "/%").replace("_", "/_")
    return names.like(escaped.replace("*", "%").replace("?", "_"), escape="/")
