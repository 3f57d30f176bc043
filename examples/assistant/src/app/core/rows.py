"""The product's rows, in one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from app.core.settings import settings

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    id TEXT PRIMARY KEY, person TEXT, question TEXT, answer TEXT, tokens INTEGER, asked_at REAL);
CREATE TABLE IF NOT EXISTS vectors (document TEXT PRIMARY KEY, text TEXT, vector BLOB);
CREATE TABLE IF NOT EXISTS objects (sha256 TEXT PRIMARY KEY, name TEXT, bytes INTEGER);
CREATE TABLE IF NOT EXISTS promoted (question TEXT PRIMARY KEY, answer TEXT, times INTEGER);
CREATE TABLE IF NOT EXISTS leaderboard (person TEXT PRIMARY KEY, place INTEGER, questions INTEGER);
"""
#: how long one worker waits for another to finish writing
_PATIENCE_S = 30.0


@contextmanager
def rows() -> Iterator[sqlite3.Connection]:
    """Open the rows in one transaction, which is committed if the block ends well.

    Every task writes under a key of its own, so that a run repeated after a worker died changes nothing.
    """
    file = settings().folder(".") / "assistant.db"
    with closing(sqlite3.connect(file, timeout=_PATIENCE_S)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(_SCHEMA)
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
