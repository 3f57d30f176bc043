"""One backend's hold on the database: connections that a fork leaves alone, and errors in our words."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as NoneFree

from celeriac.backends.postgres.patience import Lost, PatientConnection
from celeriac.backends.postgres.schema import prepare
from celeriac.errors import ResultsError, ResultsUnavailable, redacted

#: how long the server may take to accept a connection
CONNECT_TIMEOUT_S = 5
#: said by a master that has become a standby
_READ_ONLY = "25006"

_databases: weakref.WeakSet[Database] = weakref.WeakSet()


class Database:
    """The database at a `postgresql://` URL; any thread may use it, and a forked child opens its own connections.

    Raises, from every method: ResultsUnavailable where trying again may help, else ResultsError.
    """

    def __init__(self, url: str) -> None:
        """Take the database at `url`; nothing is connected yet. Raises: ResultsError RESULT-031."""
        try:
            # Celery hands on "postgresql+psycopg://" without its first part.
            parsed = make_url(f"postgresql+psycopg://{url.partition('://')[2]}")
        except ArgumentError as error:
            raise ResultsError(
                "RESULT-031",
                f'"{redacted(url)}" is not the URL of a database.',
                known=["postgresql://user:password@host:5432/database"],
                fix="mend [celeriac].results",
            ) from error
        self.at = parsed.set(drivername="postgresql").render_as_string()
        self._connection = {
            "connect_timeout": CONNECT_TIMEOUT_S,
            "application_name": "celeriac results",
            **parsed.translate_connect_args(username="user", database="dbname"),
            **parsed.query,
        }
        self._engine: Engine = create_engine(
            "postgresql+psycopg://", creator=self._connect, isolation_level="AUTOCOMMIT"
        )
        self._preparing = threading.Lock()
        self._is_prepared = False
        _databases.add(self)

    @contextmanager
    def statement(self) -> Iterator[Connection]:
        """Lend a connection on which each statement is a transaction."""
        with self._worded():
            self._prepare()
            with self._engine.connect() as connection:
                yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Lend a connection inside one transaction."""
        with self._worded():
            self._prepare()
            with self._transacting() as connection:
                yield connection

    @contextmanager
    def listening(self) -> Iterator[Any]:
        """Lend a connection of psycopg's that is nobody else's, each statement a transaction; closed at the end."""
        with self._worded(), self._connect(autocommit=True) as connection:
            yield connection

    def _connect(self, **more: Any) -> Any:
        return PatientConnection.connect(**self._connection, **more)

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    @contextmanager
    def _transacting(self) -> Iterator[Connection]:
        connected = self._engine.connect().execution_options(isolation_level="READ COMMITTED")
        with connected as connection, connection.begin():
            yield connection

    def _prepare(self) -> None:
        if self._is_prepared:
            return
        with self._preparing:
            if not self._is_prepared:
                with self._transacting() as connection:
                    prepare(connection)
                self._is_prepared = True

    @contextmanager
    def _worded(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            is_read_only = getattr(error.orig, "sqlstate", None) == _READ_ONLY
            if isinstance(error, OperationalError) or error.connection_invalidated or is_read_only:
                raise self._unavailable(error) from error
            raise ResultsError(
                "RESULT-034",
                f"PostgreSQL refused a statement of the results: {_said(error)}.",
                at=self.at,
                fix="let its user create and use tables there, or give results a database of their own",
            ) from error
        except (NoneFree, Lost) as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> ResultsUnavailable:
        return ResultsUnavailable(
            "RESULT-033",
            f"the PostgreSQL of the results cannot be used now: {_said(error)}.",
            at=self.at,
            fix="see that it runs, takes this user, and has connections and room to spare",
        )

    def _leave_to_the_parent(self) -> None:
        self._preparing = threading.Lock()
        self._engine.dispose(close=False)


def _said(error: Exception) -> str:
    """Give the first line of what the server or the driver said."""
    said = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    return said.splitlines()[0].rstrip(".")


def _after_fork_in_child() -> None:
    for database in list(_databases):
        database._leave_to_the_parent()


os.register_at_fork(after_in_child=_after_fork_in_child)
