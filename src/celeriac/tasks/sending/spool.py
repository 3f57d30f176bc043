"""The spool: tasks on the sender's own disk, in order, until the broker takes them.

A record is what was sent in one step. It is on the disk, synced, before sending returns, and is removed after the
broker has taken it; a crash between the two sends it again under the same key, which our brokers take once.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from celeriac.tasks.sending.errors import NotSent
from celeriac.tasks.sending.prepared import Prepared
from celeriac.tasks.sending.records import written

#: "celo" as SQLite's application_id, which tells a spool from any other database
_APPLICATION_ID = 0x63656C6F
_FORMAT = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, tasks INTEGER NOT NULL, bytes INTEGER NOT NULL,
    trouble TEXT, payload BLOB NOT NULL
)
"""
#: how long a process waits for another one's write, seconds
_PATIENCE_S = 2.0


class Kept(NamedTuple):
    """One record. at: epoch seconds when it was kept. tasks: how many."""

    number: int
    at: float
    tasks: int
    payload: bytes


class Standing(NamedTuple):
    """What a spool holds. oldest: epoch seconds; None: nothing waits. aside: tasks that cannot be sent."""

    tasks: int
    size_bytes: int
    oldest: float | None
    aside: int


class Spool:
    """The spool in a file, shared by all processes on this host that are given its path.

    Raises, from every method: NotSent SEND-003 if it is full, SEND-004 if it cannot be used.
    """

    def __init__(self, path: Path, max_size_bytes: int) -> None:
        self.path = path
        self._max_size_bytes = max_size_bytes

    def keep(self, messages: Sequence[Prepared]) -> None:
        """Put messages on the disk as one record; when it returns, they survive a loss of power."""
        payload = written(messages)
        with self._open() as db:
            size = len(payload)
            held = db.execute("SELECT coalesce(sum(bytes), 0) FROM records").fetchone()[0]
            if held + size > self._max_size_bytes:
                raise NotSent(
                    "SEND-003",
                    f"the broker is away, and the spool is full: it holds {held} of {self._max_size_bytes} bytes, "
                    f"and {size} more do not fit. Nothing was sent.",
                    at=str(self.path),
                    fix="bring the broker back, or raise [sending.spool].max_size",
                )
            db.execute(
                "INSERT INTO records (at, tasks, bytes, payload) VALUES (?, ?, ?, ?)",
                (time.time(), len(messages), size, payload),
            )

    def waiting(self, after: int, limit: int) -> list[Kept]:
        """Give records in their order. after: the number of the last one seen, 0 at first."""
        with self._open() as db:
            rows = db.execute(
                "SELECT id, at, tasks, payload FROM records WHERE id > ? AND trouble IS NULL ORDER BY id LIMIT ?",
                (after, limit),
            ).fetchall()
        return [Kept(*row) for row in rows]

    def remove(self, numbers: Sequence[int]) -> None:
        """Forget records that the broker has taken."""
        with self._open() as db:
            db.executemany("DELETE FROM records WHERE id = ?", [(number,) for number in numbers])

    def set_aside(self, number: int, trouble: str) -> None:
        """Keep a record that cannot be sent from holding up the others."""
        with self._open() as db:
            db.execute("UPDATE records SET trouble = ? WHERE id = ?", (trouble, number))

    def retry_aside(self) -> int:
        """Have what was set aside tried again; say how many tasks."""
        with self._open() as db:
            tasks = db.execute(
                "SELECT coalesce(sum(tasks), 0) FROM records WHERE trouble IS NOT NULL"
            ).fetchone()[0]
            db.execute("UPDATE records SET trouble = NULL")
        return int(tasks)

    def aside(self) -> list[tuple[int, str]]:
        """Give number and trouble of what was set aside."""
        with self._open() as db:
            return db.execute(
                "SELECT id, trouble FROM records WHERE trouble IS NOT NULL ORDER BY id"
            ).fetchall()

    def standing(self) -> Standing:
        """Say what it holds, without making it."""
        if not self.path.exists():
            return Standing(0, 0, None, 0)
        with self._open() as db:
            return Standing(
                *db.execute(
                    "SELECT coalesce(sum(tasks) FILTER (WHERE trouble IS NULL), 0), coalesce(sum(bytes), 0),"
                    " min(at) FILTER (WHERE trouble IS NULL),"
                    " coalesce(sum(tasks) FILTER (WHERE trouble IS NOT NULL), 0) FROM records"
                ).fetchone()
            )

    @contextmanager
    def draining(self) -> Iterator[bool]:
        """Be the one process that drains, if no other is; a killed one is no longer."""
        descriptor = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True
        finally:
            os.close(descriptor)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Give the file for one transaction. Opened anew each time: a spool is used rarely, and across forks."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Arguments of tasks are nobody else's business.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            db = sqlite3.connect(self.path, timeout=_PATIENCE_S, isolation_level=None)
            try:
                db.execute("PRAGMA synchronous = FULL")
                db.execute("BEGIN IMMEDIATE")
                self._prove(db)
                yield db
                db.execute("COMMIT")
            finally:
                # What was not committed is rolled back.
                db.close()
        except (sqlite3.Error, OSError) as error:
            raise NotSent(
                "SEND-004",
                f"the spool cannot be used: {error}. Nothing was sent.",
                at=str(self.path),
                fix="give this user write access to the file, and room on its disk, or name another in [sending.spool]",
            ) from error

    @staticmethod
    def _prove(db: sqlite3.Connection) -> None:
        application = db.execute("PRAGMA application_id").fetchone()[0]
        if application == _APPLICATION_ID:
            return
        if application or db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise sqlite3.DatabaseError("it is a database, and not a spool; it was left as it was")
        db.execute(_SCHEMA)
        db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {_FORMAT}")
