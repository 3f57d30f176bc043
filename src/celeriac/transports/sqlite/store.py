"""One process's hold on the broker's file: a connection, its lock, and transactions that survive a fork."""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from celeriac.transports.sqlite import file
from celeriac.transports.sqlite.location import Location
from celeriac.transports.sqlite.trouble import told

_open: weakref.WeakSet[Store] = weakref.WeakSet()
_held_for_fork: list[Store] = []
#: connections that a fork left in a child: closing them there could delete the write-ahead log under the parent
_left_by_forks: list[sqlite3.Connection] = []


class Store:
    """The broker's file, opened on first use, usable from every thread; a forked child opens it anew.

    Raises, from every method: BrokerUnavailable, BrokerCorrupt.
    """

    def __init__(self, location: Location, patience_s: float = file.PATIENCE_S) -> None:
        self.location = location
        self._patience_s = patience_s
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._synced: bool | None = None
        _open.add(self)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for reads; each statement sees the newest committed state."""
        with self._lock, told(self.location.path):
            yield self._connected()

    @contextmanager
    def writing(self, *, synced: bool = False) -> Iterator[sqlite3.Connection]:
        """Run the block as one transaction.

        synced: on the disk, not only in the kernel, when the block ends. Sends need it: they were promised. Fetches and
        acks do not: what power loss undoes of them is delivered again. Relaxed durability syncs nothing.
        """
        with self._lock, told(self.location.path):
            connection = self._connected()
            self._sync(connection, synced and self.location.durability == "full")
            with file.write(connection, self.location.path, self._patience_s):
                yield connection

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = file.connect(self.location, busy_s=min(self._patience_s / 4, 5.0))
        return self._connection

    def _sync(self, connection: sqlite3.Connection, synced: bool) -> None:
        if synced != self._synced:
            connection.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
            self._synced = synced

    def identity(self) -> str:
        """Name this broker's file, as long as it exists."""
        with self.reading() as db:
            return str(db.execute("SELECT value FROM meta WHERE key = 'id'").fetchone()[0])

    def close(self) -> None:
        with self._lock:
            connection, self._connection, self._synced = self._connection, None, None
            if connection is not None:
                connection.close()

    def _leave_to_the_parent(self) -> None:
        if self._connection is not None:
            _left_by_forks.append(self._connection)
        self._connection, self._synced = None, None
        self._lock = threading.RLock()


def _before_fork() -> None:
    # SQLite's own locks belong to the process: one that another thread holds while we fork stays locked in the child.
    _held_for_fork.extend(_open)
    for store in _held_for_fork:
        store._lock.acquire()


def _after_fork_in_parent() -> None:
    while _held_for_fork:
        _held_for_fork.pop()._lock.release()


def _after_fork_in_child() -> None:
    _held_for_fork.clear()
    for store in list(_open):
        store._leave_to_the_parent()


os.register_at_fork(
    before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
)
