"""SQLite's errors in our words, each with its remedy."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from celeriac.errors import BrokerCorrupt, BrokerError, BrokerUnavailable


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Tell SQLite's errors in our words, with the remedy."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translated(error, path) from error


def _translated(error: sqlite3.Error, path: Path) -> BrokerError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return BrokerUnavailable(
            "BROKER-002",
            "the broker's file is locked by another process.",
            at=str(path),
            fix=f'end what holds it (`fuser "{path}"` names the processes); nothing was sent or lost',
        )
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _disk_is_full(path)):
        return BrokerUnavailable(
            "BROKER-003",
            "the disk of the embedded broker is full.",
            at=str(path),
            fix="free some space; what was accepted is kept, and work goes on by itself",
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return BrokerUnavailable(
            "BROKER-004",
            f"the broker's file cannot be opened for writing ({error}).",
            at=str(path),
            fix="give this user write access to the file and its folder",
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return BrokerCorrupt(
            "BROKER-005",
            f"the broker's file is damaged or no database ({error}); it was left as it was.",
            at=str(path),
            fix=f'move it away to start afresh; `sqlite3 "{path}" .recover` saves what can be read',
        )
    return BrokerUnavailable("BROKER-008", f"SQLite failed: {error}.", at=str(path))


def _disk_is_full(path: Path) -> bool:
    try:
        found = os.statvfs(path.parent)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < 1 << 20
