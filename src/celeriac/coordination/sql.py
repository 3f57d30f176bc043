"""Coordination on SQL: each step one statement or one short transaction, on Postgres or an embedded SQLite file.

Postgres times everything by its own clock. SQLite has none, so time there is the machine's steady clock, set ahead once
for each boot so that it reads like wall time: setting the machine's clock moves no lease, and what was written before
a reboot lapses by wall time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Float, Table, case, cast, event, func, literal, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError

from celeriac.clock import SYSTEM, Clock, boot_id
from celeriac.coordination.protocol import ABSENT, Term, Versioned
from celeriac.coordination.tables import (
    begin_writing,
    boots,
    claims,
    counts,
    create_tables,
    documents,
    leases,
    lines,
    places,
)
from celeriac.coordination.turns import Pace
from celeriac.coordination.turns_sql import Asked, locked_line, take_turn, wait_for_place
from celeriac.coordination.versions import new_version
from celeriac.errors import CoordinationError, CoordinationUnavailable
from celeriac.stores.sql import open_engine

#: how often a process deletes what has lapsed
_PRUNE_EVERY_S = 60.0
_BUCKETS = 10
#: Postgres: how long a client may stand still inside a step, and how long one step waits for another
_FROZEN_AFTER_MS = 2_000
_LOCK_TIMEOUT_MS = 5_000


class SqlCoordination:
    """The protocol of `celeriac.coordination.protocol` on a SQL database."""

    def __init__(self, url: str, folder: Path = Path(), clock: Clock = SYSTEM) -> None:
        """Take the store at a sqlite:/// (relative to `folder`) or postgresql:// URL; tables are made at first use."""
        self._engine = open_engine(url, folder)
        self._clock = clock
        self._is_sqlite = self._engine.dialect.name == "sqlite"
        self._insert = sqlite.insert if self._is_sqlite else postgresql.insert
        if not self._is_sqlite:
            event.listen(self._engine, "connect", _bound_waits)
        self._pid = os.getpid()
        self._is_ready = False
        self._ahead_s = 0.0
        self._pruned_at = clock.steady()

    @property
    def at(self) -> str:
        return self._engine.url.render_as_string()

    def close(self) -> None:
        self._engine.dispose()

    def acquire(self, name: str, holder: str, ttl: timedelta) -> Term | None:
        with self._writing() as connection:
            now = self._now()
            fresh = self._insert(leases).values(
                # A lease whose row was lost (another file, an old backup) must not begin at 1 again.
                name=name, holder=holder, number=int(self._clock.wall()), lapses_at=now + ttl.total_seconds()
            )  # fmt: skip
            is_ours = (leases.c.holder == holder) & (leases.c.lapses_at > now)
            taken = fresh.on_conflict_do_update(
                index_elements=["name"],
                set_={
                    "number": case((is_ours, leases.c.number), else_=leases.c.number + 1),
                    "holder": holder,
                    "lapses_at": now + ttl.total_seconds(),
                },
                where=or_(leases.c.lapses_at <= now, leases.c.holder == holder),
            ).returning(leases.c.number)
            number = connection.execute(taken).scalar()
        return None if number is None else Term(name, holder, int(number))

    def renew(self, term: Term, ttl: timedelta) -> bool:
        return self._set_lapse(term, ttl.total_seconds())

    def release(self, term: Term) -> bool:
        return self._set_lapse(term, 0.0)

    def current(self, name: str) -> Term | None:
        query = select(leases.c.holder, leases.c.number).where(leases.c.name == name)
        with self._reading() as connection:
            row = connection.execute(query.where(leases.c.lapses_at > self._now())).first()
        return None if row is None else Term(name, row[0], int(row[1]))

    def claim(self, key: str, owner: str, ttl: timedelta) -> bool:
        with self._writing() as connection:
            now = self._now()
            lapses_at = now + ttl.total_seconds()
            fresh = self._insert(claims).values(key=key, owner=owner, lapses_at=lapses_at)
            taken = fresh.on_conflict_do_update(
                index_elements=["key"],
                set_={"owner": owner, "lapses_at": lapses_at},
                where=or_(claims.c.lapses_at <= now, claims.c.owner == owner),
            ).returning(claims.c.key)
            return connection.execute(taken).first() is not None

    def unclaim(self, key: str, owner: str) -> bool:
        gone = claims.delete().where(
            claims.c.key == key, claims.c.owner == owner, claims.c.lapses_at > self._now()
        )
        with self._writing() as connection:
            return connection.execute(gone).rowcount == 1

    def load(self, key: str) -> Versioned | None:
        query = select(documents.c.value, documents.c.version).where(documents.c.key == key)
        with self._reading() as connection:
            row = connection.execute(query.where(self._is_kept())).first()
        return None if row is None else Versioned(bytes(row[0]), int(row[1]))

    def swap(
        self, key: str, version: int, value: bytes, ttl: timedelta | None = None, under: Term | None = None
    ) -> int:
        fresh = new_version()
        with self._writing() as connection:
            if under is not None and not self._holds(connection, under):
                return ABSENT
            lapses_at = None if ttl is None else self._now() + ttl.total_seconds()
            new = {"value": value, "version": fresh, "lapses_at": lapses_at}
            if version != ABSENT:
                same = (documents.c.key == key) & (documents.c.version == version) & self._is_kept()
                is_done = connection.execute(documents.update().where(same).values(**new)).rowcount == 1
            else:
                made = self._insert(documents).values(key=key, **new)
                made = made.on_conflict_do_update(index_elements=["key"], set_=new, where=~self._is_kept())
                is_done = connection.execute(made.returning(documents.c.key)).first() is not None
        return fresh if is_done else ABSENT

    def add(self, key: str, span: timedelta, amount: int = 1) -> int:
        width_s = span.total_seconds() / _BUCKETS
        with self._writing(survives_power_loss=False) if amount else self._reading() as connection:
            bucket = int(self._read_now(connection) / width_s)
            if amount:
                lapses_at = (bucket + _BUCKETS) * width_s
                fresh = self._insert(counts).values(
                    key=key, bucket=bucket, amount=amount, lapses_at=lapses_at
                )
                connection.execute(
                    fresh.on_conflict_do_update(
                        index_elements=["key", "bucket"], set_={"amount": counts.c.amount + amount}
                    )
                )
            recent = select(func.sum(counts.c.amount)).where(counts.c.key == key)
            return int(connection.execute(recent.where(counts.c.bucket > bucket - _BUCKETS)).scalar() or 0)

    def clear(self, key: str) -> None:
        with self._writing() as connection:
            connection.execute(counts.delete().where(counts.c.key == key))

    def take_turn(self, key: str, who: str, pace: Pace, patience: timedelta | None = None) -> timedelta:
        # What is forgotten with the power is the pace of the last moments, with all who kept to it.
        with self._writing(survives_power_loss=False) as connection:
            line = locked_line(connection, self._insert, key)
            asked = Asked(key, who, pace, patience, self._read_now(connection))
            return take_turn(connection, self._insert, line, asked)

    def place(self, key: str, who: str) -> timedelta | None:
        with self._reading() as connection:
            return wait_for_place(connection, key, who, self._read_now(connection))

    def _set_lapse(self, term: Term, after_s: float) -> bool:
        # A lapse that is forgotten with the power was counted for holders that went with it.
        with self._writing(survives_power_loss=False) as connection:
            ours = leases.update().where(*self._is_current(term)).values(lapses_at=self._now() + after_s)
            return connection.execute(ours).rowcount == 1

    def _is_current(self, term: Term) -> tuple[ColumnElement[bool], ...]:
        return (
            leases.c.name == term.name,
            leases.c.holder == term.holder,
            leases.c.number == term.number,
            leases.c.lapses_at > self._now(),
        )

    def _is_kept(self) -> ColumnElement[bool]:
        return or_(documents.c.lapses_at.is_(None), documents.c.lapses_at > self._now())

    def _holds(self, connection: Connection, term: Term) -> bool:
        # The lock on the row keeps the lease from passing on before what is written under it.
        query = select(leases.c.number).where(*self._is_current(term)).with_for_update(read=True)
        return connection.execute(query).first() is not None

    def _now(self) -> ColumnElement[float]:
        if self._is_sqlite:
            return literal(self._clock.steady() + self._ahead_s, Float)
        return cast(func.extract("epoch", func.clock_timestamp()), postgresql.DOUBLE_PRECISION)

    def _read_now(self, connection: Connection) -> float:
        return float(connection.execute(select(self._now())).scalar_one())

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._worded():
            self._get_ready()
            with self._engine.connect() as connection:
                yield connection

    @contextmanager
    def _writing(self, *, survives_power_loss: bool = True) -> Iterator[Connection]:
        with self._worded():
            self._get_ready()
            with self._engine.connect() as connection:
                if self._is_sqlite:
                    # Without the wait for the disk the file is locked for a tenth of the time.
                    level = "FULL" if survives_power_loss else "NORMAL"
                    connection.exec_driver_sql(f"PRAGMA synchronous={level}")
                begin_writing(connection)
                yield connection
                connection.commit()
        self._prune()

    def _get_ready(self) -> None:
        if self._pid != os.getpid():
            # A forked child must not use, nor close, its parent's connections.
            self._engine.dispose(close=False)
            self._pid = os.getpid()
        if self._is_ready:
            return
        create_tables(self._engine)
        if self._is_sqlite:
            self._ahead_s = self._join_boot()
        self._is_ready = True

    def _join_boot(self) -> float:
        """Agree with the other processes of this boot how far our time is ahead of the steady clock."""
        known = select(boots.c.ahead_s).where(boots.c.boot == boot_id())
        with self._engine.connect() as connection:
            ahead_s = connection.execute(known).scalar()
            if ahead_s is not None:
                return float(ahead_s)
        with self._engine.connect() as connection:
            begin_writing(connection)
            ours = self._insert(boots).values(
                boot=boot_id(), ahead_s=self._clock.wall() - self._clock.steady()
            )
            connection.execute(ours.on_conflict_do_nothing(index_elements=["boot"]))
            agreed = float(connection.execute(known).scalar_one())
            connection.commit()
        return agreed

    def _prune(self) -> None:
        """Delete what has lapsed, now and then; the numbers of leases stay."""
        if self._clock.steady() - self._pruned_at < _PRUNE_EVERY_S:
            return
        self._pruned_at = self._clock.steady()
        with self._writing(survives_power_loss=False) as connection:
            for table in (claims, documents, counts, lines, places):
                connection.execute(_lapsed(table, self._now()))

    @contextmanager
    def _worded(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            if isinstance(error, OperationalError) or error.connection_invalidated:
                raise CoordinationUnavailable(
                    "COORD-006",
                    f"the coordination store cannot be used now: {error.orig}.",
                    at=self.at,
                    fix="end what holds it, free some space or start the server",
                ) from error
            raise CoordinationError(
                "COORD-007", f"the coordination store failed: {error.orig}.", at=self.at
            ) from error


def _bound_waits(connection: Any, _record: object) -> None:
    """Let Postgres end what a frozen client has begun: its locks would keep the others from going on without it."""
    cursor = connection.cursor()
    cursor.execute(f"SET idle_in_transaction_session_timeout = {_FROZEN_AFTER_MS}")
    cursor.execute(f"SET lock_timeout = {_LOCK_TIMEOUT_MS}")
    connection.commit()
    cursor.close()


def _lapsed(table: Table, now: ColumnElement[float]) -> Any:
    return table.delete().where(table.c.lapses_at <= now)
