"""A log file that many processes write and any of them rotates, with no line lost or torn."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SharedFile(logging.Handler):
    """Appends each record in one write, and follows when another process has rotated.

    path: its folder is made if missing, by the first record.
    max_bytes: at which size it is rotated to `path.1`, that to `path.2`, and so on.
    keep: how many rotated files stay.
    """

    def __init__(self, path: Path, *, max_bytes: int, keep: int) -> None:
        super().__init__()
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._descriptor: int | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record; what goes wrong is for logging to report."""
        try:
            line = (self.format(record) + "\n").encode(errors="backslashreplace")
            descriptor = self._current()
            # The kernel appends what one write brings as a whole, whoever else writes.
            os.write(descriptor, line)
            if os.fstat(descriptor).st_size >= self._max_bytes:
                self._rotate()
        except Exception:  # as logging's own handlers: no log may break what it tells of
            self.handleError(record)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        super().close()

    def _current(self) -> int:
        """Give the descriptor of the file that has the name now."""
        if self._descriptor is not None:
            if _is_same(self._descriptor, self._path):
                return self._descriptor
            os.close(self._descriptor)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o644)
        return self._descriptor

    def _rotate(self) -> None:
        with self._alone() as has_turn:
            if not has_turn:
                return
            for number in range(self._keep - 1, 0, -1):
                older = self._numbered(number)
                if older.exists():
                    older.replace(self._numbered(number + 1))
            if self._keep:
                self._path.replace(self._numbered(1))
            else:
                self._path.unlink()

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Hold the file's lock; gives False if another process was quicker.

        A descriptor of its own: forked processes share the one they write with, and would share its lock.
        """
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield False
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            is_full = os.fstat(descriptor).st_size >= self._max_bytes
            yield is_full and _is_same(descriptor, self._path)
        finally:
            os.close(descriptor)

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def _is_same(descriptor: int, path: Path) -> bool:
    """Say whether an open file is the one that has this name now."""
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    opened = os.fstat(descriptor)
    return (named.st_ino, named.st_dev) == (opened.st_ino, opened.st_dev)
