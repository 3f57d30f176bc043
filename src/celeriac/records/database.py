"""The database of the records: brought up to date at its first use, its errors worded once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from celeriac.clock import SYSTEM, Clock
from celeriac.errors import RecordsError, RecordsUnavailable
from celeriac.records.upgrade import upgrade
from celeriac.stores.sql import open_engine

#: held by whoever joins runs with what is recorded of them; "runs" in ASCII
_POSTGRES_RUNS_LOCK = 0x72756E73


class Database:
    """The records at a URL; safe to use from several threads and processes at once.

    Every method raises RecordsUnavailable if the database cannot be used now, else RecordsError.
    """

    def __init__(self, url: str, folder: Path = Path(), clock: Clock = SYSTEM) -> None:
        """Open the records; their schema is created or upgraded at the first use.

        url: "sqlite:///file" (relative to `folder`) or "postgresql://user:password@host/database".
        """
        self._engine: Engine = open_engine(url, folder)
        self._clock = clock
        self._is_upgraded = False

    @property
    def at(self) -> str:
        """Where the records are, without the password."""
        return self._engine.url.render_as_string()

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    @property
    def _dialect(self) -> str:
        return self._engine.dialect.name

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._worded():
            self._ensure_schema()
            with self._engine.connect() as connection:
                yield connection

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._worded():
            self._ensure_schema()
            with self._engine.begin() as connection:
                yield connection

    @contextmanager
    def _joining(self) -> Iterator[Connection]:
        """A transaction in which nobody else joins runs: what it reads is so until it has written."""
        with self._transaction() as connection:
            if self._dialect == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _POSTGRES_RUNS_LOCK})
            yield connection

    def _ensure_schema(self) -> None:
        if not self._is_upgraded:
            upgrade(self._engine)
            self._is_upgraded = True

    @contextmanager
    def _worded(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            raise RecordsUnavailable(
                "RECORD-007",
                f"the records cannot be used now: {error.orig}.",
                at=self.at,
                fix="end what holds it, free some space or start the server; letters wait in their queue",
            ) from error
        except DBAPIError as error:
            raise RecordsError("RECORD-008", f"the records failed: {error.orig}.", at=self.at) from error
