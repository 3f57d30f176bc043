"""Bring the schema of the records up to date, once, however many processes open them together."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from celeriac.errors import RecordsError
from celeriac.records.schema import HEAD
from celeriac.stores.sql import existing

#: any number that no other program locks on the same server; the letters of "cel" in ASCII
_POSTGRES_LOCK = 0x63656C


def upgrade(engine: Engine) -> None:
    """Run the migrations that are missing; quick when none is.

    Raises: RecordsError if the records were written by a newer Celeriac.
    """
    with engine.connect() as connection:
        if _version(connection) == HEAD:
            return
    with engine.connect() as connection:
        # Asked again under the lock: another process may have done it while we waited.
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN EXCLUSIVE")
        else:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _POSTGRES_LOCK})
        if _version(connection) != HEAD:
            _run_migrations(connection)
        connection.commit()


def is_current(url: str, folder: Path) -> bool:
    """Say whether there are records with the schema of this version; makes and upgrades nothing.

    Raises: RecordsError for a URL that names no records; what SQLAlchemy raises if they cannot be asked.
    """
    with existing(url, folder) as engine:
        if engine is None:
            return False
        with engine.connect() as connection:
            return _version(connection) == HEAD


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _run_migrations(connection: Connection) -> None:
    with _hushed(logging.getLogger("alembic")):
        # Imported here: alembic costs 100 ms, and every start but the first has nothing to migrate.
        from alembic import command  # noqa: PLC0415
        from alembic.config import Config  # noqa: PLC0415
        from alembic.util import CommandError  # noqa: PLC0415

        config = Config(attributes={"connection": connection})
        config.set_main_option(
            "script_location", str(Path(__file__).parent / "migrations").replace("%", "%%")
        )
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise RecordsError(
                "RECORD-006",
                f"the records have a schema that this Celeriac does not know ({error}).",
                at=str(connection.engine.url),
                known=[HEAD],
                fix="upgrade Celeriac in this environment; the records were left as they were",
            ) from error


@contextmanager
def _hushed(logger: logging.Logger) -> Iterator[None]:
    """Keep alembic's ten lines about its plugins out of a worker's log."""
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)
