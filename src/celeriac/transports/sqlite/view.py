"""What the embedded broker's file says, read without changing it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from celeriac.clock import SYSTEM, Clock, boot_id
from celeriac.transports.sqlite import file, page
from celeriac.transports.sqlite.location import Location
from celeriac.transports.sqlite.trouble import told
from celeriac.transports.view import ConsumerState, QueueState, Whereabouts

_QUEUES = """
SELECT q.name, q.max_length,
    (SELECT count(*) FROM messages WHERE queue = q.name AND owner IS NULL AND due IS NULL),
    (SELECT count(*) FROM messages WHERE queue = q.name AND due IS NOT NULL),
    (SELECT count(*) FROM messages WHERE queue = q.name AND owner IS NOT NULL),
    (SELECT min(sent) FROM messages WHERE queue = q.name AND owner IS NULL AND due IS NULL),
    (SELECT count(*) FROM readers WHERE queue = q.name),
    (SELECT count(*) FROM messages WHERE queue = q.name AND due <= ?)
FROM queues AS q ORDER BY q.name
"""


class SQLiteView:
    """A BrokerView of one file. A file that is not there yet is an empty broker.

    Raises, from every read: BrokerUnavailable, BrokerCorrupt.
    """

    def __init__(self, location: Location, clock: Clock = SYSTEM) -> None:
        self._location = location
        self._clock = clock
        self._connection: sqlite3.Connection | None = None

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        if self._connection is None and self._location.path.exists():
            self._connection = file.connect(self._location, read_only=True)
        with told(self._location.path):
            yield self._connection

    def queues(self) -> list[QueueState]:
        """Give every queue; those of remote control and events too (their names hold "pidbox" or "celeryev")."""
        with self._reading() as db:
            now = self._clock.wall()
            rows = db.execute(_QUEUES, (now,)).fetchall() if db else []
        return [
            QueueState(
                name=name,
                ready=ready,
                delayed=delayed,
                unacked=unacked,
                oldest_age_s=None if oldest is None else max(now - oldest, 0.0),
                consumers=readers,
                max_length=max_length,
                due=due,
            )
            for name, max_length, ready, delayed, unacked, oldest, readers, due in rows
        ]

    def consumers(self) -> list[ConsumerState]:
        """Give every process that holds a lease, dead ones too until they are noticed."""
        with self._reading() as db:
            rows = (
                db.execute("SELECT id FROM consumers WHERE boot = ? ORDER BY name, id", (boot_id(),))
                if db
                else ()
            )
            return [state for (number,) in list(rows) if db and (state := self._consumer(db, number))]

    def _consumer(self, db: sqlite3.Connection, number: int) -> ConsumerState | None:
        row = db.execute("SELECT name, host, pid FROM consumers WHERE id = ?", (number,)).fetchone()
        if row is None:
            return None
        name, host, pid = row
        reads = db.execute(
            "SELECT queue FROM readers WHERE consumer = ? ORDER BY queue", (number,)
        ).fetchall()
        held = {message for (message,) in db.execute("SELECT id FROM messages WHERE owner = ?", (number,))}
        running = held & page.started(self._location.folder, number)
        return ConsumerState(
            id=str(number),
            name=name,
            host=host,
            pid=pid,
            queues=tuple(queue for (queue,) in reads),
            unacked=len(held),
            running=len(running),
        )

    def find(self, task_id: str) -> Whereabouts | None:
        """Find the message of a task; None if the broker has none. Looks through all messages."""
        with self._reading() as db:
            if db is None:
                return None
            row = db.execute(
                "SELECT id, queue, task, owner, due, sent, deliveries, priority FROM messages WHERE task_id = ?"
                " ORDER BY id DESC LIMIT 1",
                (task_id,),
            ).fetchone()
            if row is None:
                return None
            number, queue, task, owner, due, sent, deliveries, priority = row
            state: Literal["ready", "delayed", "fetched", "running"] = "ready"
            ahead = None
            if owner is not None:
                state = "running" if number in page.started(self._location.folder, owner) else "fetched"
            elif due is not None:
                state = "delayed"
            else:
                ahead = db.execute(
                    "SELECT count(*) FROM messages WHERE queue = ? AND owner IS NULL AND due IS NULL"
                    " AND (priority > ? OR (priority = ? AND id < ?))",
                    (queue, priority, priority, number),
                ).fetchone()[0]
            return Whereabouts(
                queue=queue,
                task=task,
                state=state,
                ahead=ahead,
                due_at=due,
                sent_at=sent,
                consumer=None if owner is None else self._consumer(db, owner),
                deliveries=deliveries,
            )

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
