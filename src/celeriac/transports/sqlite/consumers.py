"""Consumers and their leases: who holds messages, and how they come back when it dies or stops.

    (none) ── enroll ──▶ live ── renew, before `lease_s` is over ──▶ live
                           │
                           ├── leave ─────────────▶ gone: its messages go back, uncounted
                           ├── its process ended ─▶ gone: what it had started is counted, the rest goes back
                           └── renewed too late ──▶ the same, by whoever notices first

A consumer that is gone never comes back: the process enrols again under a new number, and acks under the old one find
nothing to remove. The functions here run inside a transaction of the caller. Times are steady seconds of this boot.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import NamedTuple

from celeriac.clock import Clock, boot_id
from celeriac.transports.sqlite import messages, page, queues
from celeriac.transports.sqlite.envelope import Stored
from celeriac.transports.sqlite.messages import LetterRule


class Reaped(NamedTuple):
    """What was done for one consumer that is gone."""

    consumer: int
    name: str
    returned: int
    letters: tuple[str, ...]
    queues: frozenset[str]


def enroll(db: sqlite3.Connection, *, name: str, host: str, lease_s: float, clock: Clock) -> int:
    """Open a lease for this process; give the consumer's number, never used before."""
    cursor = db.execute(
        "INSERT INTO consumers (name, host, pid, boot, renewed, lease_s) VALUES (?, ?, ?, ?, ?, ?)",
        (name, host, os.getpid(), boot_id(), clock.steady(), lease_s),
    )
    return int(cursor.lastrowid or 0)


def renew(db: sqlite3.Connection, consumer: int, clock: Clock) -> bool:
    """Prolong the lease; False if it has lapsed and somebody acted on that."""
    return (
        db.execute("UPDATE consumers SET renewed = ? WHERE id = ?", (clock.steady(), consumer)).rowcount == 1
    )


def read(db: sqlite3.Connection, consumer: int, queue: str) -> None:
    """Note that the consumer reads the queue, so that an unused queue is told from a used one."""
    db.execute("INSERT OR IGNORE INTO readers VALUES (?, ?)", (consumer, queue))


def stop_reading(db: sqlite3.Connection, consumer: int, queue: str, now: float) -> None:
    if db.execute("DELETE FROM readers WHERE consumer = ? AND queue = ?", (consumer, queue)).rowcount:
        queues.left_by_reader(db, queue, now)


def find_gone(db: sqlite3.Connection, folder: Path, clock: Clock) -> list[int]:
    """Name the consumers whose process has ended or whose lease has lapsed."""
    rows = db.execute("SELECT id, pid, boot, renewed, lease_s FROM consumers").fetchall()
    now, boot, us = clock.steady(), boot_id(), os.getpid()
    return [
        consumer
        for consumer, pid, booted, renewed, lease_s in rows
        if booted != boot or renewed + lease_s < now or (pid != us and page.owner_is_dead(folder, consumer))
    ]


def reap(db: sqlite3.Connection, folder: Path, consumer: int, rule: LetterRule, now: float) -> Reaped | None:
    """Give back what a gone consumer holds, counting what it had started; None if somebody else did it already."""
    row = db.execute("DELETE FROM consumers WHERE id = ? RETURNING name", (consumer,)).fetchone()
    if row is None:
        return None
    started = page.started(folder, consumer)
    held = db.execute("SELECT id, queue FROM messages WHERE owner = ?", (consumer,)).fetchall()
    letters = tuple(
        letter
        for message, _ in held
        if message in started
        and (letter := messages.count_death(db, consumer, message, rule, now)) is not None
    )
    messages.give_back(
        db, ((consumer, message) for message, _ in held if message not in started), redelivered=True
    )
    _forget_reader(db, consumer, now)
    touched = {queue for _, queue in held}
    if letters:
        touched.add(rule.queue)
    return Reaped(consumer, str(row[0]), len(held), letters, frozenset(touched))


def inherit(db: sqlite3.Connection, heir: int, dead: int, now: float) -> list[Stored]:
    """Move what a dead consumer held to `heir`, uncounted, oldest first; nothing of one that was reaped already."""
    db.execute("DELETE FROM consumers WHERE id = ?", (dead,))
    _forget_reader(db, dead, now)
    return messages.hand_over(db, dead, heir)


def leave(db: sqlite3.Connection, consumer: int, now: float) -> set[str]:
    """End the lease in good order: what the consumer still holds goes back uncounted; say to which queues."""
    touched = {
        queue for (queue,) in db.execute("SELECT DISTINCT queue FROM messages WHERE owner = ?", (consumer,))
    }
    db.execute("UPDATE messages SET owner = NULL, redelivered = 1 WHERE owner = ?", (consumer,))
    db.execute("DELETE FROM consumers WHERE id = ?", (consumer,))
    _forget_reader(db, consumer, now)
    return touched


def _forget_reader(db: sqlite3.Connection, consumer: int, now: float) -> None:
    names = db.execute("SELECT queue FROM readers WHERE consumer = ?", (consumer,)).fetchall()
    db.execute("DELETE FROM readers WHERE consumer = ?", (consumer,))
    for (name,) in names:
        queues.left_by_reader(db, name, now)
