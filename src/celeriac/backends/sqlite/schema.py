"""The tables of a results file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from celeriac.errors import ResultsError

#: "CelR": tells a results file from every other SQLite file
APPLICATION_ID = 0x43656C52
VERSION = 1

TABLES = """
CREATE TABLE results (
    task_id    TEXT PRIMARY KEY,
    state      TEXT NOT NULL,
    ready      INTEGER NOT NULL,   -- 1: nobody need wait any longer
    payload    BLOB NOT NULL,      -- Celery's result meta, in result_serializer
    line       TEXT,               -- these four: who wrote it last, see order.py
    generation INTEGER,
    retries    INTEGER,
    deliveries INTEGER,
    expires_at REAL                -- epoch seconds; NULL: never
);
CREATE INDEX results_expiry ON results (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE groups (
    group_id   TEXT PRIMARY KEY,
    payload    BLOB NOT NULL,
    expires_at REAL
);
CREATE INDEX groups_expiry ON groups (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE chords (
    group_id   TEXT PRIMARY KEY,
    size       INTEGER,                       -- parts it was sent with; NULL: not all sent yet
    added      INTEGER NOT NULL DEFAULT 0,    -- parts added by Task.add_to_chord
    arrived    INTEGER NOT NULL DEFAULT 0,    -- parts with an outcome
    failed     INTEGER NOT NULL DEFAULT 0,    -- of these, parts whose outcome is no success
    state      TEXT NOT NULL DEFAULT 'open',  -- open, failed (errbacks called), fired (body published)
    header     BLOB,                          -- the nested shape of the header, if it is not flat
    expires_at REAL
);
CREATE INDEX chords_expiry ON chords (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE chord_parts (
    group_id TEXT NOT NULL,
    task_id  TEXT NOT NULL,
    position INTEGER NOT NULL,  -- index in the header
    failed   INTEGER NOT NULL,
    payload  BLOB NOT NULL,
    PRIMARY KEY (group_id, task_id, position)
);
"""


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables if the file is new; refuse a file that is somebody else's.

    Raises: ResultsError RESULT-004 (foreign file), RESULT-005 (made by a newer Celeriac); sqlite3.Error.
    """
    # One snapshot for all we look at: another process may be making the tables right now.
    connection.execute("BEGIN")
    try:
        is_ready = _is_ready(connection, path)
    finally:
        connection.execute("ROLLBACK")
    if is_ready:
        return
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have made the tables while we waited for the lock.
        if not _is_ready(connection, path):
            for statement in TABLES.split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _is_ready(connection: sqlite3.Connection, path: Path) -> bool:
    has_tables = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application == APPLICATION_ID:
        if version > VERSION:
            raise ResultsError(
                "RESULT-005",
                f"the results file has format {version}, made by a newer Celeriac.",
                at=str(path),
                known=[str(VERSION)],
                fix="upgrade celeriac here, or give results another path",
            )
        return True
    if application or has_tables:
        raise ResultsError(
            "RESULT-004",
            "the results file is an SQLite database of something else; it was left as it is.",
            at=str(path),
            fix="give results a path of its own; it cannot share a file with the broker or the records",
        )
    return False
