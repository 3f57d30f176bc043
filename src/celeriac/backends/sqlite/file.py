"""The results file: one connection per process and thread.

Commits are in WAL mode with synchronous=NORMAL: a write survives the death of any process at once, and the
machine's death after the next checkpoint. A result reports work, it is not the work: the message is, and
the broker syncs that itself. What a chord rests on has no second copy, so it is written with `synced=True`,
which waits for the disk.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from celeriac.backends.sqlite.forks import inside_sqlite
from celeriac.backends.sqlite.refusals import coded, explained, unusable
from celeriac.backends.sqlite.schema import prepare
from celeriac.errors import ResultsError, ResultsUnavailable, redacted

LOCK_PATIENCE_S = 10.0
_SCHEME = "sqlite:///"

# A forked child may neither use nor close its parent's connection, so it keeps it, untouched, for good.
_inherited: list[sqlite3.Connection] = []


def path_of(url: str) -> Path:
    """Read the file out of `sqlite:///relative.db` or `sqlite:////absolute.db`.

    The path is taken as it is written; nothing in it is unquoted.
    Raises: ResultsError RESULT-009.
    """
    file = url.removeprefix(_SCHEME)
    if file == url or "?" in file or not file.strip("/"):
        raise ResultsError(
            "RESULT-009",
            f'"{redacted(url)}" does not name a results file.',
            known=["sqlite:///folder/results.db", "sqlite:////absolute/results.db"],
            fix="write three slashes and a path, and no options",
        )
    return Path(file)


class ResultsFile:
    """Gives every thread of every process its own connection to one file, made on first use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._own = threading.local()

    def connection(self) -> sqlite3.Connection:
        """Give this thread's connection.

        Raises: ResultsError if the file cannot be used.
        """
        pid = os.getpid()
        held: tuple[int, sqlite3.Connection] | None = getattr(self._own, "held", None)
        if held is not None and held[0] == pid:
            return held[1]
        if held is not None:
            _inherited.append(held[1])
        connection = self._open()
        self._own.held = (pid, connection)
        return connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection for statements that commit by themselves; errors come out coded."""
        with inside_sqlite():
            connection = self.connection()
            with coded(self.path):
                yield connection

    def change_count(self) -> int:
        """Give a number that differs after any other connection has written to the file."""
        with self.reading() as connection:
            (version,) = connection.execute("PRAGMA data_version").fetchone()
        return int(version)

    @contextmanager
    def transaction(self, *, synced: bool = False) -> Iterator[sqlite3.Connection]:
        """Lend the connection inside one write transaction.

        synced: wait until the commit, and all before it, is on the disk.
        """
        with inside_sqlite(), self._writing(self.connection(), synced) as connection:
            yield connection

    @contextmanager
    def _writing(self, connection: sqlite3.Connection, synced: bool) -> Iterator[sqlite3.Connection]:
        with coded(self.path):
            if synced:
                connection.execute("PRAGMA synchronous = FULL")
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if synced:
                    connection.execute("PRAGMA synchronous = NORMAL")

    def close(self) -> None:
        """Close this thread's connection, if this process made it."""
        held = getattr(self._own, "held", None)
        if held is not None and held[0] == os.getpid():
            with inside_sqlite():
                held[1].close()
            del self._own.held

    def _open(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unusable(self.path, error.strerror or str(error)) from error
        deadline = time.monotonic() + LOCK_PATIENCE_S
        while True:
            try:
                return self._open_once()
            except sqlite3.Error as error:
                refusal = explained(error, self.path)
                # SQLite does not wait for a lock when two processes make one new file at once.
                if not isinstance(refusal, ResultsUnavailable) or time.monotonic() > deadline:
                    raise refusal from error
                time.sleep(0.01)

    def _open_once(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=LOCK_PATIENCE_S, isolation_level=None, check_same_thread=False
        )
        try:
            prepare(connection, self.path)
            connection.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            connection.close()
            raise
        return connection
