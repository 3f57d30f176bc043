"""Pages: what a consumer is running at this moment, readable after it was killed.

A page is a small file mapped into the consumer's memory: writing to it costs no system call, and the kernel keeps it
when the process dies. Its owner holds a lock on it that the kernel drops at the process's end (forked children do not
inherit it), so anybody can tell a dead consumer from a slow one at once.

A consumer for which another process will settle has its page guarded: until that process closes the guard, or the lease
lapses, nobody takes the consumer for dead.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from contextlib import suppress
from pathlib import Path

_SLOTS = 8192
_SLOT = struct.Struct("<q")
#: a guard's lock lies beyond the page, where the owner's does not reach
_GUARDED_AT = 1 << 40
#: struct flock of Linux: type, whence, start, length, process
_FLOCK = struct.Struct("hhqqi0q")


class Page:
    """The numbers of the messages that this consumer has started. More than 8,192 at once are not counted."""

    def __init__(self, folder: Path, consumer: int) -> None:
        self._path = path_of(folder, consumer)
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _SLOTS * _SLOT.size)
        os.ftruncate(self._descriptor, _SLOTS * _SLOT.size)
        self._map = mmap.mmap(self._descriptor, _SLOTS * _SLOT.size)
        self._free = list(range(_SLOTS - 1, -1, -1))
        self._slots: dict[int, int] = {}

    def __contains__(self, message: int) -> bool:
        return message in self._slots

    def mark(self, message: int) -> None:
        """Say that this message is being run."""
        if message not in self._slots and self._free:
            slot = self._slots[message] = self._free.pop()
            _SLOT.pack_into(self._map, slot * _SLOT.size, message)

    def clear(self, message: int) -> None:
        """Say that this message is no longer being run."""
        slot = self._slots.pop(message, None)
        if slot is not None:
            _SLOT.pack_into(self._map, slot * _SLOT.size, 0)
            self._free.append(slot)

    def close(self) -> None:
        self._path.unlink(missing_ok=True)
        self._map.close()
        os.close(self._descriptor)


class Guard:
    """Keeps a consumer from being taken for dead while any process has the file open; its number may be sent to one.

    A lock of the open file, not of a process: it outlives the consumer's own, and reapers may look at the page.
    Where the system has no such locks it guards nothing, and whoever comes first settles.
    Raises: OSError if there is no such page.
    """

    def __init__(self, folder: Path, consumer: int) -> None:
        self._descriptor = os.open(path_of(folder, consumer), os.O_RDWR | os.O_CLOEXEC)
        command = getattr(fcntl, "F_OFD_SETLK", None)
        if command is not None:
            lock = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, _GUARDED_AT, 1, 0)
            with suppress(OSError):
                fcntl.fcntl(self._descriptor, command, lock)

    def fileno(self) -> int:
        return self._descriptor


def path_of(folder: Path, consumer: int) -> Path:
    return folder / f"{consumer}.page"


def started(folder: Path, consumer: int) -> set[int]:
    """Read which messages a consumer was running; none if its page is gone."""
    try:
        content = path_of(folder, consumer).read_bytes()
    except OSError:
        return set()
    whole = len(content) // _SLOT.size * _SLOT.size
    return {message for (message,) in _SLOT.iter_unpack(content[:whole]) if message}


def owner_is_dead(folder: Path, consumer: int) -> bool:
    """Say whether the consumer's process has ended; False too if that cannot be told.

    Never ask it of a consumer of this process: closing the file would drop our own lock.
    """
    try:
        descriptor = os.open(path_of(folder, consumer), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)
