"""The broker's file: found from its URL, opened, proved to be a broker, and its errors told in our words."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import uuid4

import msgspec

from celeriac.errors import BrokerCorrupt, BrokerError, BrokerUnavailable
from celeriac.units import duration

Durability = Literal["full", "relaxed"]

#: "celr" as SQLite's application_id: tells a broker from any other SQLite file
_APPLICATION_ID = 0x63656C72
_FORMAT = 1
_LEASE_MIN_S = 0.5

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE queues (
    name TEXT PRIMARY KEY,
    length INTEGER NOT NULL DEFAULT 0,
    max_length INTEGER,
    when_full TEXT NOT NULL DEFAULT 'block',
    message_ttl_s REAL,
    unused_ttl_s REAL,
    unused_since REAL,
    auto_delete INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE exchanges (name TEXT PRIMARY KEY, type TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE bindings (
    exchange TEXT NOT NULL, routing_key TEXT NOT NULL, queue TEXT NOT NULL,
    PRIMARY KEY (exchange, routing_key, queue)
) WITHOUT ROWID;
CREATE TABLE consumers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL,
    boot TEXT NOT NULL, renewed REAL NOT NULL, lease_s REAL NOT NULL
);
CREATE TABLE readers (
    consumer INTEGER NOT NULL,
    queue TEXT NOT NULL,
    PRIMARY KEY (consumer, queue)
) WITHOUT ROWID;
CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    owner INTEGER,
    due REAL,
    expires REAL,
    sent REAL NOT NULL,
    deliveries INTEGER NOT NULL DEFAULT 0,
    redelivered INTEGER NOT NULL DEFAULT 0,
    task_id TEXT,
    task TEXT,
    envelope BLOB NOT NULL,
    body BLOB
);
CREATE INDEX ready ON messages (queue, priority DESC, id) WHERE owner IS NULL AND due IS NULL;
CREATE INDEX delayed ON messages (due) WHERE due IS NOT NULL;
CREATE INDEX held ON messages (owner) WHERE owner IS NOT NULL;
CREATE INDEX expiring ON messages (expires) WHERE expires IS NOT NULL;
CREATE TABLE receipts (key TEXT PRIMARY KEY, at REAL NOT NULL);
CREATE TRIGGER one_more AFTER INSERT ON messages
    BEGIN UPDATE queues SET length = length + 1 WHERE name = new.queue; END;
CREATE TRIGGER one_less AFTER DELETE ON messages
    BEGIN UPDATE queues SET length = length - 1 WHERE name = old.queue; END;
CREATE TRIGGER moved AFTER UPDATE OF queue ON messages
    BEGIN
        UPDATE queues SET length = length - 1 WHERE name = old.queue;
        UPDATE queues SET length = length + 1 WHERE name = new.queue;
    END;
"""


class Location(msgspec.Struct, frozen=True):
    """Where a broker's file is and how safe a commit must be.

    durability: "full" survives kill -9 and power loss, "relaxed" kill -9 only.
    lease_s: how long a consumer may be silent before its messages are handed on, seconds; not under half a second.
    """

    path: Path
    durability: Durability = "full"
    lease_s: float = 10.0

    @property
    def folder(self) -> Path:
        """The folder of doorbells and pages beside the file."""
        return self.path.with_name(self.path.name + ".d")


def locate(url: str) -> Location:
    """Read `sqlite:///relative.db`, `sqlite:////absolute.db`, with `?durability=full|relaxed` and `lease=10s`.

    Raises: BrokerError BROKER-001 for anything else.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    durability = options.pop("durability", "full")
    path = unquote(parts.path)[1:]
    try:
        lease_s = duration(options.pop("lease", "10s")).total_seconds()
    except ValueError:
        lease_s = 0.0
    if parts.netloc or not path or options or durability not in ("full", "relaxed") or lease_s < _LEASE_MIN_S:
        raise BrokerError(
            "BROKER-001",
            f'"{url}" does not say where the embedded broker lives.',
            known=(
                "sqlite:///folder/broker.db",
                "sqlite:////absolute/broker.db",
                "?durability=full|relaxed",
                "?lease=10s",
            ),
            fix="write three slashes and a file path, four for an absolute one; a lease lasts 500ms at least",
        )
    return Location(Path(path).absolute(), "relaxed" if durability == "relaxed" else "full", lease_s)


def connect(location: Location, *, read_only: bool = False) -> sqlite3.Connection:
    """Open the broker's file, making it if there is none; a file that is something else is left untouched.

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
            timeout=5.0,
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
    if application == _APPLICATION_ID and version == _FORMAT:
        return
    if application == _APPLICATION_ID and version > _FORMAT:
        raise BrokerCorrupt(
            "BROKER-007",
            f"the broker's file has format {version}; this Celeriac reads up to {_FORMAT}.",
            at=str(location.path),
            fix="upgrade Celeriac in this environment",
        )
    if tables or application not in (0, _APPLICATION_ID) or read_only:
        raise BrokerCorrupt(
            "BROKER-006",
            "the file is an SQLite database but not a Celeriac broker; it was left as it was.",
            at=str(location.path),
            fix="name another file in [celeriac].broker, or move this one away",
        )
    _use_wal(connection)
    with write(connection, location.path):
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            for statement in _statements(_SCHEMA):
                connection.execute(statement)
            connection.execute("INSERT INTO meta VALUES ('id', ?)", (str(uuid4()),))
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {_FORMAT}")


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


def _statements(script: str) -> Iterator[str]:
    """Split a script, keeping each trigger whole (executescript would commit our transaction)."""
    statement = ""
    for part in script.split(";"):
        statement += part + ";"
        if sqlite3.complete_statement(statement):
            if statement.strip(" \n;"):
                yield statement
            statement = ""


#: how long a writer waits for the others, seconds
PATIENCE_S = 10.0


@contextmanager
def write(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Run the block as one transaction that excludes other writers; all or nothing of it is kept.

    Raises: BrokerUnavailable BROKER-002 after PATIENCE_S of waiting for another writer.
    """
    _begin(connection, path, PATIENCE_S)
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


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Tell SQLite's errors in our words, with the remedy."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translated(error, path) from error


def _translated(error: sqlite3.Error, path: Path) -> BrokerError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return BrokerUnavailable(
            "BROKER-002",
            "the broker's file is locked by another process.",
            at=str(path),
            fix=f'end what holds it (`fuser "{path}"` names the processes); nothing was sent or lost',
        )
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _disk_is_full(path)):
        return BrokerUnavailable(
            "BROKER-003",
            "the disk of the embedded broker is full.",
            at=str(path),
            fix="free some space; what was accepted is kept, and work goes on by itself",
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return BrokerUnavailable(
            "BROKER-004",
            f"the broker's file cannot be opened for writing ({error}).",
            at=str(path),
            fix="give this user write access to the file and its folder",
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return BrokerCorrupt(
            "BROKER-005",
            f"the broker's file is damaged or no database ({error}); it was left as it was.",
            at=str(path),
            fix=f'move it away to start afresh; `sqlite3 "{path}" .recover` saves what can be read',
        )
    return BrokerUnavailable("BROKER-008", f"SQLite failed: {error}.", at=str(path))


def _disk_is_full(path: Path) -> bool:
    try:
        found = os.statvfs(path.parent)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < 1 << 20
