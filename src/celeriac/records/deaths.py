"""Keeping each death once, though a task id may die more than once and a death may be captured twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from msgspec.structs import replace
from sqlalchemy import Connection, func, select
from sqlalchemy.dialects import postgresql, sqlite

from celeriac.records.letter import Letter
from celeriac.records.rows import to_row
from celeriac.records.schema import letters

_TWINS = UUID("0b5d3f7e-6a0e-5c53-9d0f-6f1d6b0d0a11")
#: ids asked for in one statement; SQLite allows 32766 variables, older ones 999
_CHUNK = 500

#: when a letter was replayed or discarded; null if it was not
settled_at = func.coalesce(letters.c.replayed_at, letters.c.discarded_at)


class _Death(NamedTuple):
    """What tells one death from the next of the same task id."""

    digest: str
    died_at: float
    settled_at: float | None

    def is_of(self, letter: Letter) -> bool:
        is_later = self.settled_at is not None and letter.died_at > self.settled_at
        return self.digest == letter.digest and (self.died_at == letter.died_at or not is_later)


def insert_once(connection: Connection, batch: Sequence[Letter], now: float) -> int:
    """Insert what is not there yet, in the transaction of `connection`, and give how many letters that was.

    A letter whose id was taken by another death is inserted under an id of its own.
    """
    firsts = {letter.id: letter for letter in reversed(batch)}
    new = _insert(connection, [to_row(letter, now) for letter in firsts.values()])
    held = _deaths(connection, list(firsts))
    others = [to_row(_apart(letter), now) for letter in batch if not held[letter.id].is_of(letter)]
    return new + (_insert(connection, others) if others else 0)


def _insert(connection: Connection, rows: list[dict[str, Any]]) -> int:
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    # Counted by what comes back: Postgres gives no row count for many rows at once.
    statement = insert(letters).on_conflict_do_nothing(index_elements=["id"]).returning(letters.c.id)
    return len(connection.execute(statement, rows).all())


def _deaths(connection: Connection, ids: list[str]) -> dict[str, _Death]:
    held: dict[str, _Death] = {}
    for start in range(0, len(ids), _CHUNK):
        query = select(letters.c.id, letters.c.digest, letters.c.died_at, settled_at)
        found = connection.execute(query.where(letters.c.id.in_(ids[start : start + _CHUNK])))
        held.update({row[0]: _Death(*row[1:]) for row in found})
    return held


def _apart(letter: Letter) -> Letter:
    return replace(letter, id=str(uuid5(_TWINS, f"{letter.id}:{letter.digest}:{letter.died_at}")))
