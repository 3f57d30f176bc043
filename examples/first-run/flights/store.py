"""The database the flights are loaded into: each chunk in one transaction, and once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from flights.rows import Flight

_TABLES = f"""
CREATE TABLE IF NOT EXISTS flights (
    {", ".join(Flight._fields)},
    loads INTEGER NOT NULL DEFAULT 1,  -- how often this row was loaded
    PRIMARY KEY (row)
);
CREATE TABLE IF NOT EXISTS chunks (
    first_row INTEGER PRIMARY KEY,
    rows INTEGER NOT NULL,
    asked INTEGER NOT NULL DEFAULT 1   -- how often its load was asked for
);
CREATE TABLE IF NOT EXISTS summaries (made_at TEXT DEFAULT CURRENT_TIMESTAMP, chunks INTEGER, rows INTEGER);
"""
_INSERT = (
    f"INSERT INTO flights ({', '.join(Flight._fields)}) VALUES ({', '.join('?' * len(Flight._fields))}) "
    "ON CONFLICT (row) DO UPDATE SET loads = loads + 1"
)


class Progress(NamedTuple):
    """What is loaded so far."""

    chunks: int
    rows: int


class Count(NamedTuple):
    """What is in the table, counted row by row.

    distinct: different rows of the source. twice: rows loaded more than once. summaries: times the chord's body ran.
    asked_again: loads that were asked for again and found their chunk there.
    """

    rows: int
    distinct: int
    first: int
    last: int
    twice: int
    miles: int
    asked_again: int
    summaries: int


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the database, with its tables."""
    with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(_TABLES)
        yield connection


def load(path: Path, first_row: int, flights: Sequence[Flight]) -> bool:
    """Load a chunk in one transaction; say whether it was new.

    A worker killed after the commit and before its ack is asked again, and finds the chunk there.
    """
    with opened(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        known = connection.execute("UPDATE chunks SET asked = asked + 1 WHERE first_row = ?", (first_row,))
        is_new = known.rowcount == 0
        if is_new:
            connection.execute(
                "INSERT INTO chunks (first_row, rows) VALUES (?, ?)", (first_row, len(flights))
            )
            connection.executemany(_INSERT, flights)
        connection.execute("COMMIT")
        return is_new


def note_summary(path: Path, chunks: int, rows: int) -> None:
    """Write down that the chord's body ran."""
    with opened(path) as connection:
        connection.execute("INSERT INTO summaries (chunks, rows) VALUES (?, ?)", (chunks, rows))


def progress(path: Path) -> Progress:
    """Say how much is loaded."""
    with opened(path) as connection:
        chunks, rows = connection.execute("SELECT count(*), coalesce(sum(rows), 0) FROM chunks").fetchone()
        return Progress(chunks, rows)


def count(path: Path) -> Count:
    """Count what is in the table, trusting nothing that was written beside it."""
    with opened(path) as connection:
        rows = connection.execute(
            "SELECT count(*), count(DISTINCT row), min(row), max(row), count(*) FILTER (WHERE loads > 1), "
            "sum(distance) FROM flights"
        ).fetchone()
        (again,) = connection.execute("SELECT coalesce(sum(asked - 1), 0) FROM chunks").fetchone()
        (summaries,) = connection.execute("SELECT count(*) FROM summaries").fetchone()
        return Count(*rows, again, summaries)


def delays(path: Path, by: str) -> list[tuple[Any, ...]]:
    """Give (group, flights, cancelled in percent, mean delay at departure in minutes), the most delayed first.

    by: "carrier" or "weather".
    """
    with opened(path) as connection:
        return connection.execute(
            f"SELECT {by}, count(*), 100.0 * avg(outcome = 'cancelled'), avg(departure_delay) FROM flights "
            "GROUP BY 1 ORDER BY 4 DESC"
        ).fetchall()
