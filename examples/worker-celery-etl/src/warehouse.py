"""The warehouse: tables of totals, in SQLite or PostgreSQL. A batch is loaded once, however often it is tried."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    Date,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateTable

from src.config import load_config
from src.references import Row

_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")


def load(destination: str, batch: str, rows: list[Row]) -> int:
    """Load the rows of a batch in one transaction, in place of what an earlier try has loaded; give their number.

    rows: each with category, value and count.
    """
    table = _table(destination)
    today = datetime.now(UTC).date()
    with _connected() as connection:
        connection.execute(CreateTable(table, if_not_exists=True))
        connection.execute(delete(table).where(table.c.batch == batch))
        if rows:
            named = ("category", "value", "count")
            connection.execute(
                insert(table),
                [{"batch": batch, "loaded_on": today, **{key: row[key] for key in named}} for row in rows],
            )
    return len(rows)


def totals(destination: str, day: date | None = None) -> list[Row]:
    """Sum up what was loaded on a day (UTC), or ever, by category; the greatest value first."""
    table = _table(destination)
    value = func.sum(table.c.value).label("value")
    query = select(table.c.category, value, func.sum(table.c.count).label("count")).group_by(table.c.category)
    if day is not None:
        query = query.where(table.c.loaded_on == day)
    with _connected() as connection:
        connection.execute(CreateTable(table, if_not_exists=True))
        found = connection.execute(query.order_by(value.desc())).mappings()
        return [{**row, "value": round(row["value"], 2)} for row in found]


def _table(name: str) -> Table:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a table")
    return Table(
        name,
        MetaData(),
        Column("batch", String(64), primary_key=True),
        Column("category", String(200), primary_key=True),
        Column("value", Float, nullable=False),
        Column("count", Integer, nullable=False),
        Column("loaded_on", Date, nullable=False),
    )


@contextmanager
def _connected() -> Iterator[Connection]:
    url = make_url(load_config().database_url)
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    # A connection for each use: none is carried over into the processes that a worker forks.
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        yield connection
