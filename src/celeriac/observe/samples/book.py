"""A book: the counts of one process, in a memory-mapped file that says by a lock whether its process lives.

The file is a header of 16 bytes (magic, bytes used), then entries: length of the key, number of values (32 bit each),
the key (UTF-8 JSON: ["family", "label value", …], padded to 8 bytes), then the values (64 bit floats). An entry is
complete before the header counts it, so a reader sees all of it or nothing.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

#: family, then label values in the family's order
Key = tuple[str, ...]
Values = tuple[float, ...]

MAGIC = b"CELBOOK1"
SUFFIX = ".book"
_HEADER = struct.Struct("=8sQ")
_ENTRY = struct.Struct("=II")
_USED_AT = 8
_FIRST_BYTES = 16 * 1024
_ALIGNED = 8
#: books of this process by path: reading one through another descriptor would drop its lock
_OWN: dict[Path, Book] = {}
os.register_at_fork(after_in_child=_OWN.clear)
#: of one book; a key that no longer fits is not counted rather than filling the disk
_LARGEST_BYTES = 8 * 1024 * 1024


class Book:
    """The book of this process; threads may share it. A forked child must open its own.

    folder: where books lie; made if missing.
    Raises: OSError if the file cannot be made there.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # Names sort by age, and are never used twice.
        self.path = folder / f"{time.time_ns():020d}-{os.getpid()}{SUFFIX}"
        draft = self.path.with_suffix(".draft")
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            os.ftruncate(descriptor, _FIRST_BYTES)
            # A record lock belongs to this process alone: no child inherits it, and the kernel drops it when the
            # process dies. Taken before the file has its name, so that nobody takes a newborn for a dead one.
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._map = mmap.mmap(descriptor, _FIRST_BYTES)
            self._map[: _HEADER.size] = _HEADER.pack(MAGIC, _HEADER.size)
            draft.rename(self.path)
        except OSError:
            os.close(descriptor)
            draft.unlink(missing_ok=True)
            raise
        self._descriptor = descriptor
        self._used = _HEADER.size
        self._values = memoryview(self._map).cast("d")
        self._places: dict[Key, int | None] = {}
        self._lock = threading.Lock()
        _OWN[self.path] = self

    def content(self) -> bytes:
        """Give the file's content as it is now."""
        with self._lock:
            return self._map[:]

    def add(self, key: Key, amount: float = 1.0) -> None:
        """Add to the one value of `key`."""
        with self._lock:
            place = self._place(key, 1)
            if place is not None:
                self._values[place] += amount

    def observe(self, key: Key, value: float, bounds: Sequence[float]) -> None:
        """Count `value` in the histogram of `key`: a count per bucket (the last has no bound), then the sum."""
        with self._lock:
            place = self._place(key, len(bounds) + 2)
            if place is not None:
                self._values[place + bisect_left(bounds, value)] += 1.0
                self._values[place + len(bounds) + 1] += value

    def _place(self, key: Key, values: int) -> int | None:
        """Give the index of the first value of `key`, counting the file in values; None if there is no room."""
        if key not in self._places:
            self._places[key] = self._append(key, values)
        return self._places[key]

    def _append(self, key: Key, values: int) -> int | None:
        entry = encode_entry(key, (0.0,) * values)
        end = self._used + len(entry)
        if end > len(self._map):
            size = max(len(self._map) * 2, end)
            if size > _LARGEST_BYTES:
                return None
            self._values.release()
            os.ftruncate(self._descriptor, size)
            self._map.resize(size)
            self._values = memoryview(self._map).cast("d")
        self._map[self._used : end] = entry
        struct.pack_into("=Q", self._map, _USED_AT, end)
        self._used = end
        return end // 8 - values

    def close(self) -> None:
        """Give up the book; what is counted stays and will be folded."""
        with self._lock:
            _OWN.pop(self.path, None)
            self._values.release()
            self._map.close()
            os.close(self._descriptor)
            self._places.clear()


def encode_entry(key: Key, values: Values) -> bytes:
    """Write one entry."""
    name = msgspec.json.encode(key)
    name += b" " * (-(_ENTRY.size + len(name)) % _ALIGNED)
    return _ENTRY.pack(len(name), len(values)) + name + struct.pack(f"={len(values)}d", *values)


def read_entries(content: bytes) -> Iterator[tuple[Key, Values]]:
    """Read the entries of a book; what is no book, or is cut off, gives what can be read of it."""
    if len(content) < _HEADER.size:
        return
    magic, used = _HEADER.unpack_from(content)
    at, end = _HEADER.size, min(used, len(content))
    while magic == MAGIC and at + _ENTRY.size <= end:
        name_bytes, count = _ENTRY.unpack_from(content, at)
        values_at = at + _ENTRY.size + name_bytes
        at = values_at + 8 * count
        if at > end:
            return
        try:
            key = msgspec.json.decode(content[values_at - name_bytes : values_at], type=Key)
        except msgspec.DecodeError:
            return
        yield key, struct.unpack_from(f"={count}d", content, values_at)


def whole(entries: dict[Key, Values]) -> bytes:
    """Write a book of these entries."""
    body = b"".join(encode_entry(key, values) for key, values in entries.items())
    return _HEADER.pack(MAGIC, _HEADER.size + len(body)) + body


def is_kept(path: Path) -> bool:
    """Say whether the process of a book lives; a book that is not there is not kept."""
    if path in _OWN:
        return True
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two who ask do not take each other for the keeper.
        fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    finally:
        os.close(descriptor)
    return False


def content_of(path: Path) -> bytes:
    """Read a book; one that is not there is empty."""
    own = _OWN.get(path)
    if own is not None:
        return own.content()
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
