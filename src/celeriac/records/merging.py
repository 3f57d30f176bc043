"""Joining what was seen of tasks with what is on record of them, in the transaction of the caller."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, String, cast, func, select, text
from sqlalchemy.dialects import postgresql, sqlite

from celeriac.records.letter import Letter
from celeriac.records.run import Description, Mishap, Run, Sighting, joined
from celeriac.records.run_rows import RUN_COLUMNS, run_from_row, run_to_row
from celeriac.records.schema import letters, runs

#: ids asked for in one statement; SQLite allows 32766 variables, older ones 999
_CHUNK = 500
_OF_DEATH = (
    letters.c.task_id,
    letters.c.died_at,
    letters.c.attempts,
    letters.c.generation,
    letters.c.worker,
    letters.c.task,
    letters.c.queue,
    letters.c.exception,
    letters.c.message,
    letters.c.traceback,
)


def join_runs(connection: Connection, batch: Iterable[Run]) -> int:
    """Keep these runs, each joined with what is on record of its task, letters included; give how many tasks.

    Nobody else may join runs until the transaction ends, see `Database._joining`.
    """
    seen: dict[str, Run] = {}
    for run in batch:
        before = seen.get(run.task_id)
        seen[run.task_id] = run if before is None else joined(before, run)
    ids = list(seen)
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        for row in connection.execute(
            select(*RUN_COLUMNS).where(_among(connection, runs.c.task_id, chunk))
        ).mappings():
            seen[row["task_id"]] = joined(run_from_row(row), seen[row["task_id"]])
        for row in connection.execute(
            select(*_OF_DEATH).where(_among(connection, letters.c.task_id, chunk))
        ).mappings():
            seen[row["task_id"]] = joined(seen[row["task_id"]], _death(row))
    _write(connection, list(seen.values()))
    return len(seen)


def join_deaths(connection: Connection, dead: Sequence[Letter]) -> None:
    """End the runs on record that these letters are of. A run not on record yet will find its letter when it comes."""
    ids = list({letter.task_id for letter in dead if letter.task_id is not None})
    ended: list[Run] = []
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        known = connection.execute(
            select(*RUN_COLUMNS).where(_among(connection, runs.c.task_id, chunk))
        ).mappings()
        ended += [run_from_row(row) for row in known]
    if ended:
        join_runs(connection, ended)


def _death(letter: Mapping[Any, Any]) -> Run:
    died_at = letter["died_at"]
    error = ": ".join(part for part in (letter["exception"], letter["message"]) if part) or None
    traceback = letter["traceback"]
    return Run(
        task_id=letter["task_id"],
        history=(Sighting(died_at, "dead", letter["worker"], letter["attempts"], letter["generation"]),),
        description=Description(at=died_at, task=letter["task"], queue=letter["queue"] or None),
        mishap=Mishap(died_at, error, traceback) if error or traceback else None,
    )


def _among(connection: Connection, column: ColumnElement[Any], ids: list[str]) -> ColumnElement[bool]:
    if connection.dialect.name == "postgresql":
        # Given a list, a server that has not counted its rows lately reads all of them; joined, it uses the index.
        return column.in_(select(func.unnest(cast(ids, postgresql.ARRAY(String)))))
    return column.in_(ids)


def _write(connection: Connection, batch: list[Run]) -> None:
    rows = [run_to_row(run) for run in batch]
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(_POSTGRES_WRITE, {"rows": msgspec.json.encode(rows).decode()})
    else:
        connection.execute(_SQLITE_WRITE, rows)


_insert = sqlite.insert(runs)
_SQLITE_WRITE = _insert.on_conflict_do_update(
    index_elements=["task_id"],
    set_={column.name: _insert.excluded[column.name] for column in runs.c if column.name != "task_id"},
)
_names = [column.name for column in runs.c]
#: all rows as one JSON value: row by row, it takes half as long again
_POSTGRES_WRITE = text(
    f"INSERT INTO runs ({', '.join(_names)}) SELECT {', '.join(_names)}"  # noqa: S608 - names of our own columns
    " FROM json_populate_recordset(NULL::runs, CAST(:rows AS json))"
    f" ON CONFLICT (task_id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _names[1:])}"
)
