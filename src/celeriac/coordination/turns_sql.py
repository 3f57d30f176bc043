"""Turns in SQL: the steps of one transaction that holds the line of a pace."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from celeriac.coordination.tables import lines, places
from celeriac.coordination.turns import KEPT, Line, Pace, decide

_SECOND = 1_000_000
#: the insert() of a dialect that knows ON CONFLICT
Insert = Callable[..., Any]


class Asked(NamedTuple):
    """What one asks of a store; now_s: epoch seconds by its clock, read after the line was locked."""

    key: str
    who: str
    pace: Pace
    patience: timedelta | None
    now_s: float


def locked_line(connection: Connection, insert: Insert, key: str) -> Line:
    """Give the line of a pace, made if there is none; until the transaction ends nobody else changes it."""
    fresh = insert(lines).values(key=key, **Line()._asdict(), lapses_at=0)
    # An update that changes nothing locks the row that is there.
    same = fresh.on_conflict_do_update(index_elements=["key"], set_={"key": lines.c.key})
    return Line(*connection.execute(same.returning(*(lines.c[name] for name in Line._fields))).one())


def take_turn(connection: Connection, insert: Insert, line: Line, asked: Asked) -> timedelta:
    """Apply the rule of turns, and keep what it says."""
    now = int(asked.now_s * _SECOND)
    ours = (places.c.key == asked.key) & (places.c.who == asked.who)
    known = select(places.c.due).where(ours, places.c.lapses_at > asked.now_s)
    place = connection.execute(known).scalar()
    turn = decide(line, place, now, asked.pace, asked.patience)
    if turn.place is None and place is not None:
        connection.execute(places.delete().where(ours))
    elif turn.place is not None and turn.place != place:
        kept = {"due": turn.place, "lapses_at": turn.place / _SECOND + KEPT.total_seconds()}
        made = insert(places).values(key=asked.key, who=asked.who, **kept)
        connection.execute(made.on_conflict_do_update(index_elements=["key", "who"], set_=kept))
    after = turn.line
    lapses_at = max(now, after.free, after.last, after.spare) / _SECOND + KEPT.total_seconds()
    changed = {**after._asdict(), "lapses_at": lapses_at}
    connection.execute(lines.update().where(lines.c.key == asked.key).values(**changed))
    return timedelta(microseconds=turn.wait)


def wait_for_place(connection: Connection, key: str, who: str, now_s: float) -> timedelta | None:
    """Say how long a place is not due yet; None if there is none."""
    ours = (places.c.key == key) & (places.c.who == who) & (places.c.lapses_at > now_s)
    due = connection.execute(select(places.c.due).where(ours)).scalar()
    return None if due is None else timedelta(microseconds=max(due - int(now_s * _SECOND), 0))
