"""Which letters are meant, as SQL."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, true

from celeriac.records.letter import LetterFilter
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


def matches(names: ColumnElement[str], pattern: str, dialect: str) -> ColumnElement[bool]:
    """Match names exactly, in both dialects with regard to case; only * and ? stand for others."""
    if dialect == "sqlite":
        # SQLite's LIKE ignores case; its GLOB does not, but also knows [sets].
        return names.op("GLOB", is_comparison=True)(pattern.replace("[", "[[]"))
    escaped = pattern.replace("/", "//").replace("%", "/%").replace("_", "/_")
    return names.like(escaped.replace("*", "%").replace("?", "_"), escape="/")
