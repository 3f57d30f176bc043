"""The results file across forks: a pool forks its slots whatever other threads do with results."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from celeriac.backends.sqlite.file import ResultsFile

FORKS = 60
#: much of SQLite's own memory, taken and given back, which its locks guard
BUSY = """
    WITH RECURSIVE numbers(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM numbers WHERE x < 3000)
    SELECT count(DISTINCT x || printf('%d', x)) FROM numbers
"""


def test_a_child_forked_while_other_threads_are_inside_sqlite_can_use_the_file(tmp_path: Path) -> None:
    results = ResultsFile(tmp_path / "results.db")
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            with results.reading() as db:
                db.execute(BUSY).fetchall()
        results.close()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        ends = [_fork_and_read(results) for _ in range(FORKS)]
    finally:
        over.set()
        for thread in threads:
            thread.join()
    results.close()
    assert ends == [0] * FORKS


def test_who_is_inside_itself_may_fork_and_so_may_its_child(tmp_path: Path) -> None:
    results = ResultsFile(tmp_path / "results.db")
    with results.reading():
        assert _fork_and_read(results, forks=1) == 0
    results.close()


def _fork_and_read(results: ResultsFile, forks: int = 0) -> int:
    """Read in a child that gives up after twenty seconds, and has children of its own; say how it ended."""
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        with results.reading() as db:
            db.execute("SELECT count(*) FROM sqlite_master").fetchall()
        os._exit(_fork_and_read(results, forks - 1) if forks else 0)
    return os.waitpid(child, 0)[1]
