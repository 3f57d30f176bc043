"""The broker's file: opened, proved to be a broker, and written by one process at a time."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from celeriac.errors import BrokerCorrupt, BrokerUnavailable
from celeriac.transports.sqlite.location import Location
from celeriac.transports.sqlite.schema import APPLICATION_ID, FORMAT, statements
from celeriac.transports.sqlite.trouble import told


def connect(location: Location, *, read_only: bool = False, busy_s: float = 5.0) -> sqlite3.Connection:
    """Open the broker's file, making it if there is none; a file that is something else is left untouched.

    busy_s: how long SQLite itself waits for other processes in each step.

    Raises: BrokerUnavailable (BROKER-002 locked, -003 disk full, -004 not writable), BrokerCorrupt (BROKER-005 damaged,
    -006 not a broker, -007 written by a newer Celeriac).
    """
    path = location.path
    with told(path):
        if not read_only:
            _make_folders(location)
        mode = "ro" if read_only else "rwc"
        connection = sqlite3.connect(
            f"{path.as_uri()}?mode={mode}",
            uri=True,
            timeout=busy_s,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            _prove(connection, location, read_only=read_only)
        except BaseException:
            connection.close()
            raise
    return connection


def _make_folders(location: Location) -> None:
    try:
        location.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BrokerUnavailable(
            "BROKER-004",
            f"the embedded broker's folder cannot be made: {error.strerror}.",
            at=str(location.folder),
            fix="give this user write access to the folder, or name another file in [celeriac].broker",
        ) from error


def _prove(connection: sqlite3.Connection, location: Location, *, read_only: bool) -> None:
    """Check that the file is a broker of this format, or make it one if it is empty."""
    # One snapshot for all three: another process may be making the same file right now.
    connection.execute("BEGIN")
    application, version, tables = (
        connection.execute(question).fetchone()[0]
        for question in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    )
    connection.execute("COMMIT")
    if application == APPLICATION_ID and version == FORMAT:
        return
    if application == APPLICATION_ID and version > FORMAT:
        raise BrokerCorrupt(
            "BROKER-007",
            f"the broker's file has format {version}; this Celeriac reads up to {FORMAT}.",
            at=str(location.path),
            fix="upgrade Celeriac in this environment",
        )
    if tables or application not in (0, APPLICATION_ID) or read_only:
        raise BrokerCorrupt(
            "BROKER-006",
            "the file is an SQLite database but not a Celeriac broker; it was left as it was.",
            at=str(location.path),
            fix="name another file in [celeriac].broker, or move this one away",
        )
    _use_wal(connection)
    with write(connection, location.path):
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            for statement in statements():
                connection.execute(statement)
            connection.execute("INSERT INTO meta VALUES ('id', ?)", (str(uuid4()),))
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {FORMAT}")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Let readers go on while one process writes; another process may be switching the same new file right now."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return


#: how long a writer waits for the others, seconds
PATIENCE_S = 10.0


@contextmanager
def write(connection: sqlite3.Connection, path: Path, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Run the block as one transaction that excludes other writers; all or nothing of it is kept.

    Raises: BrokerUnavailable BROKER-002 after `patience_s` of waiting for another writer.
    """
    _begin(connection, path, patience_s)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _begin(connection: sqlite3.Connection, path: Path, patience_s: float) -> None:
    """Take the write lock, asking often at first: SQLite's own handler sleeps up to 100 ms between tries."""
    deadline = None
    pause_s = 0.0001
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
        else:
            return
        now = time.monotonic()
        deadline = deadline or now + patience_s
        if now >= deadline:
            raise BrokerUnavailable(
                "BROKER-002",
                f"the broker's file has been locked by another process for {patience_s:g} s.",
                at=str(path),
                fix=f'end what holds it (`fuser "{path}"` names the processes); nothing was sent or lost',
            )
        time.sleep(pause_s * (0.5 + random.random()))  # noqa: S311 - spreads waiters, guards nothing
        pause_s = min(pause_s * 1.5, 0.005)
