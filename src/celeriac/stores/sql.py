"""SQL engines from URLs: SQLite in a file of the project, or a Postgres server."""

from __future__ import annotations

import importlib.util
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from celeriac.errors import RecordsError
from celeriac.stores.schemes import SQL_SCHEMES

#: how long a SQLite connection waits for another process to finish its transaction
BUSY_TIMEOUT_S = 10.0
#: how long a Postgres server may take to accept a connection
CONNECT_TIMEOUT_S = 10


def open_engine(url: str, folder: Path) -> Engine:
    """Give an engine on `url`; no connection is made yet.

    url: "sqlite:///file" (relative to `folder`, its parents are created), "sqlite:////absolute/file", or
        "postgresql://user:password@host/database".
    Raises: RecordsError for another scheme, no file, a missing driver or a folder that cannot be made.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise RecordsError(
            "RECORD-001",
            f'"{url}" is not a database URL.',
            known=["sqlite:///file", "postgresql://user:password@host/database"],
            fix="mend [celeriac].state",
        ) from error
    scheme = parsed.drivername.partition("+")[0]
    if scheme not in SQL_SCHEMES:
        raise RecordsError(
            "RECORD-002",
            f'records cannot be kept at "{url}": the scheme "{parsed.drivername}" is not supported.',
            known=SQL_SCHEMES,
            fix="name a SQLite file or a Postgres server in [celeriac].state",
        )
    return _sqlite(parsed, folder) if scheme == "sqlite" else _postgres(parsed)


@contextmanager
def existing(url: str, folder: Path) -> Iterator[Engine | None]:
    """Open an engine on a database for a look that makes nothing; None where the SQLite file is not there.

    Raises: as `open_engine`.
    """
    scheme, _, path = url.partition("://")
    if scheme.partition("+")[0] == "sqlite" and not (folder / path.removeprefix("/")).exists():
        yield None
        return
    engine = open_engine(url, folder)
    try:
        yield engine
    finally:
        engine.dispose()


def _sqlite(parsed: URL, folder: Path) -> Engine:
    if not parsed.database or parsed.database == ":memory:" or parsed.query:
        raise RecordsError(
            "RECORD-003",
            f'"{parsed.render_as_string()}" does not name a file and nothing else.',
            fix="write three slashes and a path, four for an absolute one, like sqlite:///.celeriac/records.db",
        )
    path = folder / parsed.database
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordsError(
            "RECORD-004",
            f"the folder of the records cannot be made: {error.strerror}.",
            at=str(path.parent),
            fix="give this user write access, or name another file in [celeriac].state",
        ) from error
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path.absolute())), connect_args={"timeout": BUSY_TIMEOUT_S}
    )
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Make a fresh connection durable and patient."""
    cursor = connection.cursor()
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError as error:
            # The switch to WAL does not honour the busy timeout when two processes open a fresh file at once.
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    # A letter leaves the broker once it is committed here, so the commit must survive a loss of power.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _postgres(parsed: URL) -> Engine:
    if importlib.util.find_spec("psycopg") is None:
        raise RecordsError(
            "RECORD-005",
            "records on Postgres need the driver psycopg, which is not installed.",
            fix="pip install 'celeriac[postgres]'",
        )
    return create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S},
    )
