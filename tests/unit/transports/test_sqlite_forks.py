"""The broker's file across forks: a pool forks its slots whatever the lease's thread is doing."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from celeriac.transports.sqlite.location import Location
from celeriac.transports.sqlite.store import Store

FORKS = 60


def test_a_child_forked_in_the_middle_of_a_write_can_use_the_file(tmp_path: Path) -> None:
    store = Store(Location(tmp_path / "broker.db", "relaxed"))
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            with store.writing() as db:
                db.execute("UPDATE meta SET value = value")

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        ends = [_fork_and_read(store) for _ in range(FORKS)]
    finally:
        over.set()
        writer.join()
    store.close()
    assert ends == [0] * FORKS


def _fork_and_read(store: Store) -> int:
    """Read in a child that gives up after five seconds; say how it ended."""
    child = os.fork()
    if child == 0:
        signal.alarm(5)
        with store.reading() as db:
            db.execute("SELECT count(*) FROM messages").fetchall()
        os._exit(0)
    return os.waitpid(child, 0)[1]
