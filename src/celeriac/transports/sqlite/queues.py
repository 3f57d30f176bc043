"""Queues, exchanges and bindings: the functions here run inside a transaction of the caller."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple


class Bounds(NamedTuple):
    """What a queue may hold. max_length None: no bound. message_ttl_s None: messages stay."""

    max_length: int | None
    when_full: str
    message_ttl_s: float | None
    length: int


def declare(
    db: sqlite3.Connection,
    name: str,
    *,
    now: float,
    max_length: int | None = None,
    when_full: str = "block",
    message_ttl_s: float | None = None,
    unused_ttl_s: float | None = None,
    auto_delete: bool = False,
) -> None:
    """Make the queue, or bring its bounds up to what is declared now."""
    db.execute(
        "INSERT INTO queues (name, max_length, when_full, message_ttl_s, unused_ttl_s, unused_since, auto_delete)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
        " max_length = coalesce(excluded.max_length, max_length), when_full = excluded.when_full,"
        " message_ttl_s = excluded.message_ttl_s, unused_ttl_s = excluded.unused_ttl_s,"
        " unused_since = excluded.unused_since",
        (name, max_length, when_full, message_ttl_s, unused_ttl_s, now, auto_delete),
    )


def bounds(db: sqlite3.Connection, name: str) -> Bounds | None:
    """Give the queue's bounds; None if there is no such queue."""
    row = db.execute(
        "SELECT max_length, when_full, message_ttl_s, length FROM queues WHERE name = ?", (name,)
    ).fetchone()
    return Bounds(*row) if row else None


def waiting(db: sqlite3.Connection, name: str) -> int:
    """Count the messages that no worker holds, delayed ones too."""
    return int(
        db.execute("SELECT count(*) FROM messages WHERE queue = ? AND owner IS NULL", (name,)).fetchone()[0]
    )


def purge(db: sqlite3.Connection, name: str) -> int:
    """Throw away the messages that no worker holds; say how many."""
    return db.execute("DELETE FROM messages WHERE queue = ? AND owner IS NULL", (name,)).rowcount


def delete(db: sqlite3.Connection, name: str) -> None:
    """Throw away the queue, its messages and its bindings."""
    db.execute("DELETE FROM messages WHERE queue = ?", (name,))
    db.execute("DELETE FROM bindings WHERE queue = ?", (name,))
    db.execute("DELETE FROM readers WHERE queue = ?", (name,))
    db.execute("DELETE FROM queues WHERE name = ?", (name,))


def has_readers(db: sqlite3.Connection, name: str) -> bool:
    return db.execute("SELECT 1 FROM readers WHERE queue = ? LIMIT 1", (name,)).fetchone() is not None


def left_by_reader(db: sqlite3.Connection, name: str, now: float) -> None:
    """Delete an auto-delete queue that nobody reads any more; start the clock of one that expires unused."""
    if has_readers(db, name):
        return
    row = db.execute("SELECT auto_delete FROM queues WHERE name = ?", (name,)).fetchone()
    if row and row[0]:
        delete(db, name)
    else:
        db.execute(
            "UPDATE queues SET unused_since = ? WHERE name = ? AND unused_ttl_s IS NOT NULL", (now, name)
        )


_UNUSED = (
    "SELECT name FROM queues WHERE unused_ttl_s IS NOT NULL AND unused_since + unused_ttl_s < ?"
    " AND NOT EXISTS (SELECT 1 FROM readers WHERE readers.queue = queues.name)"
)


def any_unused(db: sqlite3.Connection, now: float) -> bool:
    """Say whether `delete_unused` would find something."""
    return db.execute(_UNUSED + " LIMIT 1", (now,)).fetchone() is not None


def delete_unused(db: sqlite3.Connection, now: float) -> None:
    """Delete the queues that nobody has read for as long as they allow."""
    for (name,) in db.execute(_UNUSED, (now,)).fetchall():
        delete(db, name)


def declare_exchange(db: sqlite3.Connection, name: str, type_: str) -> None:
    db.execute("INSERT OR IGNORE INTO exchanges VALUES (?, ?)", (name, type_))


def exchange_type(db: sqlite3.Connection, name: str) -> str | None:
    row = db.execute("SELECT type FROM exchanges WHERE name = ?", (name,)).fetchone()
    return str(row[0]) if row else None


def bind(db: sqlite3.Connection, exchange: str, routing_key: str, queue: str) -> None:
    db.execute("INSERT OR IGNORE INTO bindings VALUES (?, ?, ?)", (exchange, routing_key, queue))


def unbind(db: sqlite3.Connection, exchange: str, routing_key: str, queue: str) -> None:
    db.execute(
        "DELETE FROM bindings WHERE exchange = ? AND routing_key = ? AND queue = ?",
        (exchange, routing_key, queue),
    )


def delete_exchange(db: sqlite3.Connection, name: str) -> None:
    db.execute("DELETE FROM bindings WHERE exchange = ?", (name,))
    db.execute("DELETE FROM exchanges WHERE name = ?", (name,))


def bindings(db: sqlite3.Connection, exchange: str) -> list[tuple[str, str]]:
    """Give the (routing key, queue) pairs of an exchange."""
    return db.execute("SELECT routing_key, queue FROM bindings WHERE exchange = ?", (exchange,)).fetchall()
