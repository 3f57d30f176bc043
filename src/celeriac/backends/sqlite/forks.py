"""Forks: no process is forked while one of its threads is inside SQLite.

SQLite's own locks belong to the process: one that another thread holds at the fork stays locked in the child, which
then hangs at its first call.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: longer than a statement waits for the file; a fork that waited so long goes ahead
_PATIENCE_S = 30.0


class _Gate:
    """Counts the threads that are inside; nobody enters while it is closed."""

    def __init__(self, inside: int = 0) -> None:
        self.changed = threading.Condition(threading.Lock())
        self.inside = inside
        self.is_closed = False

    def is_open(self) -> bool:
        return not self.is_closed


class _Own(threading.local):
    depth = 0


_gate = _Gate()
_own = _Own()


@contextmanager
def inside_sqlite() -> Iterator[None]:
    """Hold off forks by other threads until the block ends; blocks may be nested."""
    if not _own.depth:
        with _gate.changed:
            _gate.changed.wait_for(_gate.is_open)
            _gate.inside += 1
    _own.depth += 1
    try:
        yield
    finally:
        _own.depth -= 1
        if not _own.depth:
            with _gate.changed:
                _gate.inside -= 1
                _gate.changed.notify_all()


def _before_fork() -> None:
    _gate.changed.acquire()
    _gate.is_closed = True
    # Whoever forks may be inside itself: its own call is not under way.
    _gate.changed.wait_for(lambda: _gate.inside == bool(_own.depth), _PATIENCE_S)


def _after_fork_in_parent() -> None:
    _gate.is_closed = False
    _gate.changed.notify_all()
    _gate.changed.release()


def _after_fork_in_child() -> None:
    global _gate  # noqa: PLW0603 - the threads that the old one counts are not in this process
    _gate = _Gate(inside=int(bool(_own.depth)))


os.register_at_fork(
    before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
)
