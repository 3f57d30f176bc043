"""Messages: sent, fetched, acked, given back, set aside. The functions here run inside the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from celeriac.transports.sending import queue_full
from celeriac.transports.sqlite import queues
from celeriac.transports.sqlite.envelope import Row, Stored, to_letter

_STORED = "id, queue, priority, deliveries, redelivered, sent, task_id, task, envelope, body"


class LetterRule(NamedTuple):
    """When and where messages are set aside.

    after: deliveries that ended with the worker's death before a message is poison.
    """

    queue: str
    after: int
    broker: str


def send(db: sqlite3.Connection, row: Row, *, is_new_work: bool = True) -> bool:
    """Store the message; False if its `once` key was sent before.

    is_new_work: False for what follows from a message that was accepted already (a retry, a letter, a replay): such a
    message is never refused for want of room, or the worker would have to lose it or to wait for itself.
    Raises: QueueFull if the queue's bound is reached.
    """
    bounds = queues.bounds(db, row.queue)
    if bounds is None:
        queues.declare(db, row.queue, now=row.sent)
    elif is_new_work and bounds.max_length is not None and bounds.length >= bounds.max_length:
        raise queue_full(row.queue, bounds.length, bounds.max_length)
    if row.once is not None and not _first_time(db, row.once, row.sent):
        return False
    db.execute(
        "INSERT INTO messages (queue, priority, due, expires, sent, task_id, task, envelope, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            row.queue,
            row.priority,
            row.due,
            row.expires,
            row.sent,
            row.task_id,
            row.task,
            row.envelope,
            row.body,
        ),
    )
    return True


def _first_time(db: sqlite3.Connection, key: str, now: float) -> bool:
    return db.execute("INSERT OR IGNORE INTO receipts VALUES (?, ?)", (key, now)).rowcount == 1


def ripen(db: sqlite3.Connection, now: float) -> None:
    """Make the delayed messages whose time has come ready, in the order they came due."""
    db.execute("UPDATE messages SET due = NULL WHERE due <= ?", (now,))


def next_due(db: sqlite3.Connection, names: Sequence[str]) -> float | None:
    """Say when the next delayed message of these queues comes due, epoch seconds."""
    marks = ",".join("?" * len(names))
    row = db.execute(
        f"SELECT min(due) FROM messages WHERE due IS NOT NULL AND queue IN ({marks})", tuple(names)
    ).fetchone()
    return None if row[0] is None else float(row[0])


def any_ready(db: sqlite3.Connection, names: Sequence[str], now: float) -> bool:
    """Say cheaply, without the write lock, whether a fetch would find something."""
    if db.execute("SELECT 1 FROM messages WHERE due <= ? LIMIT 1", (now,)).fetchone():
        return True
    return any(
        db.execute(
            "SELECT 1 FROM messages WHERE queue = ? AND owner IS NULL AND due IS NULL LIMIT 1", (name,)
        ).fetchone()
        for name in names
    )


def lease_holds(db: sqlite3.Connection, owner: int) -> bool:
    """Say whether nobody has reaped this consumer."""
    return db.execute("SELECT 1 FROM consumers WHERE id = ?", (owner,)).fetchone() is not None


def queue_of(db: sqlite3.Connection, message: int) -> str | None:
    row = db.execute("SELECT queue FROM messages WHERE id = ?", (message,)).fetchone()
    return str(row[0]) if row else None


def fetch(db: sqlite3.Connection, owner: int, names: Sequence[str], limit: int, now: float) -> list[Stored]:
    """Move up to `limit` ready messages to the consumer `owner`, first queue first, bigger priority first."""
    return _ready(db, "UPDATE messages SET owner = ?", (owner,), names, limit, now)


def take(db: sqlite3.Connection, names: Sequence[str], limit: int, now: float) -> list[Stored]:
    """Remove up to `limit` ready messages at once, in the same order, for consumers that do not ack."""
    return _ready(db, "DELETE FROM messages", (), names, limit, now)


def _ready(
    db: sqlite3.Connection, deed: str, values: tuple[int, ...], names: Sequence[str], limit: int, now: float
) -> list[Stored]:
    """Do the deed, one of the two statements above, to the next ready messages, and give them as they are delivered."""
    found: list[Stored] = []
    for name in names:
        rows = db.execute(
            f"{deed} WHERE id IN (SELECT id FROM messages"
            " WHERE queue = ? AND owner IS NULL AND due IS NULL AND (expires IS NULL OR expires > ?)"
            f" ORDER BY priority DESC, id LIMIT ?) RETURNING {_STORED}",
            (*values, name, now, limit - len(found)),
        ).fetchall()
        found += sorted((Stored(*row) for row in rows), key=_order)
        if len(found) >= limit:
            break
    return found


def _order(stored: Stored) -> tuple[int, int]:
    return -stored.priority, stored.id


def ack(db: sqlite3.Connection, held: Iterable[tuple[int, int]]) -> int:
    """Remove the messages of these (owner, id) pairs; say how many were still held by that owner."""
    return sum(
        db.execute("DELETE FROM messages WHERE id = ? AND owner = ?", (message, owner)).rowcount
        for owner, message in held
    )


def give_back(db: sqlite3.Connection, held: Iterable[tuple[int, int]], *, redelivered: bool) -> int:
    """Make the messages of these (owner, id) pairs ready again, in their old place, uncounted."""
    return sum(
        db.execute(
            "UPDATE messages SET owner = NULL, redelivered = redelivered OR ? WHERE id = ? AND owner = ?",
            (redelivered, message, owner),
        ).rowcount
        for owner, message in held
    )


def hand_over(db: sqlite3.Connection, owner: int, heir: int) -> list[Stored]:
    """Move all that a consumer holds to another, oldest first."""
    rows = db.execute(f"UPDATE messages SET owner = ? WHERE owner = ? RETURNING {_STORED}", (heir, owner))
    return sorted((Stored(*row) for row in rows.fetchall()), key=lambda stored: stored.id)


def count_death(db: sqlite3.Connection, owner: int, message: int, rule: LetterRule, now: float) -> str | None:
    """Give a started message back with its delivery count raised, or set it aside; say the letter's id if so."""
    row = db.execute(
        "UPDATE messages SET owner = NULL, redelivered = 1, deliveries = deliveries + 1 WHERE id = ? AND owner = ?"
        f" RETURNING {_STORED}",
        (message, owner),
    ).fetchone()
    if row is None or row[3] < rule.after:
        return None
    stored = Stored(*row)
    why = f"its worker died {stored.deliveries} times while running it"
    return set_aside(db, stored, rule, "poison", why, now)


def set_aside(
    db: sqlite3.Connection, stored: Stored, rule: LetterRule, reason: str, why: str, now: float
) -> str | None:
    """Turn a message into a letter, in the same transaction; say the letter's id."""
    if stored.queue == rule.queue and reason == "poison":
        # A letter has nowhere further to go: it waits for a recorder that lives.
        db.execute("UPDATE messages SET owner = NULL WHERE id = ?", (stored.id,))
        return None
    envelope, body, letter = to_letter(stored, rule.broker, reason, why, now)
    if queues.bounds(db, rule.queue) is None:
        queues.declare(db, rule.queue, now=now)
    # Inserted anew rather than changed: a message read without acks is no longer in its row.
    db.execute("DELETE FROM messages WHERE id = ?", (stored.id,))
    db.execute(
        "INSERT INTO messages (queue, priority, sent, task_id, task, envelope, body) VALUES (?, 0, ?, ?, ?, ?, ?)",
        (rule.queue, now, stored.task_id, stored.task, envelope, body),
    )
    return letter


#: how long a `once` key is remembered, seconds
RECEIPTS_KEPT_S = 30 * 86400.0


def any_expired(db: sqlite3.Connection, now: float) -> bool:
    """Say whether `drop_expired` would find something."""
    found = db.execute(
        "SELECT EXISTS (SELECT 1 FROM messages WHERE expires <= ? AND owner IS NULL)"
        " OR EXISTS (SELECT 1 FROM (SELECT at FROM receipts ORDER BY rowid LIMIT 1) WHERE at < ?)",
        (now, now - RECEIPTS_KEPT_S),
    ).fetchone()
    return bool(found[0])


def drop_expired(db: sqlite3.Connection, now: float) -> None:
    """Remove messages past their expiry that nobody holds, and receipts past their keep."""
    db.execute("DELETE FROM messages WHERE expires <= ? AND owner IS NULL", (now,))
    db.execute("DELETE FROM receipts WHERE at < ?", (now - RECEIPTS_KEPT_S,))
