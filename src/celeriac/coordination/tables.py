"""The tables of coordination in SQL, made once however many processes open them together."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    inspect,
    select,
)
from sqlalchemy.sql import text

from celeriac.coordination.turns import Line
from celeriac.errors import CoordinationError

#: raised with every change of the tables; a store with a bigger one was written by a newer Celeriac
VERSION = 2
#: any number that no other program locks on the same server; the letters of "coor" in ASCII
_POSTGRES_LOCK = 0x636F6F72

metadata = MetaData()

layout = Table("celeriac_coordination", metadata, Column("version", Integer, nullable=False))

leases = Table(
    "celeriac_leases",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("holder", String(200), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("lapses_at", Float(53), nullable=False),
)

claims = Table(
    "celeriac_claims",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("lapses_at", Float(53), nullable=False),
    Index("celeriac_claims_lapsed", "lapses_at"),
)

documents = Table(
    "celeriac_documents",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("value", LargeBinary, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("lapses_at", Float(53)),
    Index("celeriac_documents_lapsed", "lapses_at"),
)

counts = Table(
    "celeriac_counts",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("bucket", BigInteger, primary_key=True, autoincrement=False),
    Column("amount", BigInteger, nullable=False),
    Column("lapses_at", Float(53), nullable=False),
    Index("celeriac_counts_lapsed", "lapses_at"),
)

#: what is known of each pace: a Line of `turns`, in microseconds
lines = Table(
    "celeriac_lines",
    metadata,
    Column("key", String(200), primary_key=True),
    *(Column(name, BigInteger, nullable=False) for name in Line._fields),
    Column("lapses_at", Float(53), nullable=False),
)

#: the places that are kept, and for whom; `due` in microseconds
places = Table(
    "celeriac_places",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("who", String(200), primary_key=True),
    Column("due", BigInteger, nullable=False),
    Column("lapses_at", Float(53), nullable=False),
    Index("celeriac_places_lapsed", "lapses_at"),
)

#: SQLite only: how far our time is ahead of the steady clock in each boot of the machine
boots = Table(
    "celeriac_boots",
    metadata,
    Column("boot", String(64), primary_key=True),
    Column("ahead_s", Float(53), nullable=False),
)


def create_tables(engine: Engine) -> None:
    """Make the tables that are missing; quick when none is.

    Raises: CoordinationError if a newer Celeriac made them.
    """
    with engine.connect() as connection:
        if _version(connection) == VERSION:
            return
    with engine.connect() as connection:
        begin_writing(connection)
        if connection.dialect.name != "sqlite":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _POSTGRES_LOCK})
        # Asked again under the lock: another process may have made them while we waited.
        version = _version(connection)
        if version is None:
            metadata.create_all(connection)
            connection.execute(layout.insert().values(version=VERSION))
        elif version < VERSION:
            # Each layout so far only added tables to the one before.
            metadata.create_all(connection)
            connection.execute(layout.update().values(version=VERSION))
        elif version > VERSION:
            raise CoordinationError(
                "COORD-005",
                f"the coordination store has the layout {version}, which this Celeriac does not know.",
                at=engine.url.render_as_string(),
                known=[str(VERSION)],
                fix="upgrade Celeriac in this environment; the store was left as it was",
            )
        connection.commit()


def begin_writing(connection: Connection) -> None:
    """Begin a transaction that will write; on SQLite it waits here for its turn, so that what it reads stays true."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _version(connection: Connection) -> int | None:
    if not inspect(connection).has_table(layout.name):
        return None
    return connection.execute(select(layout.c.version)).scalar()
