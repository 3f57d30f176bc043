"""The results file under many processes, kill -9, and everything a disk can do to it."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from celeriac.backends.sqlite import SQLiteBackend
from celeriac.errors import CeleriacError, ResultsCorrupt, ResultsError, ResultsUnavailable

WRITER = """
    import sys
    from celery import Celery
    from celeriac.backends.sqlite import SQLiteBackend

    name, path, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    backend = SQLiteBackend(Celery("writer", set_as_current=False), url=f"sqlite:///{path}")
    for index in range(count):
        backend.store_result(f"{name}-{index}", index, "SUCCESS")
        print(index, flush=True)
"""


def _backend(path: Path, **conf: Any) -> SQLiteBackend:
    app = Celery("results", set_as_current=False)
    app.conf.update(conf)
    return SQLiteBackend(app, url=f"sqlite:///{path}")


def _writer(name: str, path: Path, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), name, str(path), str(count)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_four_processes_that_start_at_once_make_one_file_and_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.db"
    writers = [_writer(f"w{number}", path, 200) for number in range(4)]
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    backend = _backend(path)
    ids = [f"w{number}-{index}" for number in range(4) for index in range(200)]
    assert len(list(backend.rows.read_ready(ids))) == 800


def test_what_was_stored_survives_kill_9_at_any_point(tmp_path: Path) -> None:
    path = tmp_path / "results.db"
    for number in range(5):
        writer = _writer(f"w{number}", path, 1_000_000)
        assert writer.stdout is not None
        said = [int(writer.stdout.readline()) for _ in range(20 + 13 * number)]
        os.kill(writer.pid, signal.SIGKILL)
        said += [int(line) for line in writer.stdout.read().splitlines() if line]
        writer.wait()
        backend = _backend(path)
        ids = [f"w{number}-{index}" for index in said]
        assert len(list(backend.rows.read_ready(ids))) == len(ids)
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_forked_child_uses_a_connection_of_its_own(tmp_path: Path) -> None:
    backend = _backend(tmp_path / "results.db")
    backend.store_result("before", 1, "SUCCESS")
    parents = backend.file.connection()
    child = os.fork()
    if child == 0:
        own = backend.file.connection() is not parents
        backend.store_result("child", 2, "SUCCESS")
        os._exit(0 if own else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert backend.file.connection() is parents
    backend.store_result("after", 3, "SUCCESS")
    assert [backend.get_result(name) for name in ("before", "child", "after")] == [1, 2, 3]


def test_threads_share_a_backend(tmp_path: Path) -> None:
    backend = _backend(tmp_path / "results.db")
    failures: list[BaseException] = []

    def store(name: str) -> None:
        try:
            for index in range(50):
                backend.store_result(f"{name}-{index}", index, "SUCCESS")
        except BaseException as error:
            failures.append(error)
        finally:
            backend.file.close()

    threads = [threading.Thread(target=store, args=(f"t{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert failures == []
    assert backend.get_result("t3-49") == 49


def test_whoever_comes_while_the_file_is_being_made_waits_and_does_not_take_it_for_a_foreign_one(
    tmp_path: Path,
) -> None:
    failures: list[BaseException] = []

    def open_at_once(path: Path, start: threading.Barrier) -> None:
        backend = _backend(path)
        start.wait()
        try:
            backend.store_result("t", 1, "SUCCESS")
        except BaseException as error:
            failures.append(error)
        finally:
            backend.file.close()

    for number in range(25):
        start = threading.Barrier(4)
        path = tmp_path / f"{number}.db"
        threads = [threading.Thread(target=open_at_once, args=(path, start)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
    assert failures == []


def _refusal(path: Path, **conf: Any) -> CeleriacError:
    with pytest.raises(CeleriacError) as refused:
        _backend(path, **conf)._store_result("t", 1, "SUCCESS")
    assert str(path) in str(refused.value)
    return refused.value


def test_a_file_that_is_no_database_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "results.db"
    content = b"these are my notes, do not touch them\n" * 100
    path.write_bytes(content)
    refusal = _refusal(path)
    assert isinstance(refusal, ResultsCorrupt)
    assert refusal.code == "RESULT-002"
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_database_of_something_else_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "results.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE customers (name)")
    connection.close()
    content = path.read_bytes()
    assert _refusal(path).code == "RESULT-004"
    assert path.read_bytes() == content


def test_a_file_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.db"
    _backend(path).store_result("t", 1, "SUCCESS")
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert _refusal(path).code == "RESULT-005"


def test_a_damaged_file_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "results.db"
    backend = _backend(path)
    for index in range(300):
        backend.store_result(f"t{index}", "x" * 200, "SUCCESS")
    backend.file.close()
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)
    refusal = _refusal(path)
    assert isinstance(refusal, ResultsCorrupt)
    assert refusal.code == "RESULT-003"
    assert path.read_bytes() == content


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert _refusal(tmp_path / "file" / "results.db").code == "RESULT-006"


def _refused_in_a_child(act: Callable[[], None]) -> str:
    """Run `act` in a child process; give the code it was refused with."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = "nothing was refused"
        try:
            act()
        except ResultsError as refusal:
            code = refusal.code
        finally:
            os.write(write, code.encode())
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as pipe:
        return pipe.read()


def test_a_read_only_file_is_said(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if folder == tmp_path_factory.getbasetemp().parent.parent:
            break
        folder.chmod(0o755)
    path = tmp_path / "results.db"
    backend = _backend(path)
    backend.store_result("t", 1, "SUCCESS")
    backend.file.close()
    path.chmod(0o444)
    fresh = _backend(path)

    def write_without_rights() -> None:
        if os.geteuid() == 0:
            os.setuid(65534)
        fresh._store_result("u", 1, "SUCCESS")

    assert _refused_in_a_child(write_without_rights) == "RESULT-006"


def test_a_lock_that_stays_is_said_and_one_that_goes_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("celeriac.backends.sqlite.file.LOCK_PATIENCE_S", 0.2)
    path = tmp_path / "results.db"
    backend = _backend(path)
    backend.store_result("t", 1, "SUCCESS")
    shell = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    shell.execute("BEGIN IMMEDIATE")
    with pytest.raises(ResultsUnavailable) as refused:
        backend._store_result("u", 1, "SUCCESS")
    assert refused.value.code == "RESULT-001"
    letting_go = threading.Timer(0.3, shell.execute, ("COMMIT",))
    letting_go.start()
    backend.store_result("u", 1, "SUCCESS")
    letting_go.join()
    shell.close()
    assert backend.get_result("u") == 1


def test_a_full_file_is_said_and_what_was_stored_stays_readable(tmp_path: Path) -> None:
    backend = _backend(tmp_path / "results.db")
    backend.store_result("t", 1, "SUCCESS")
    connection = backend.file.connection()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(ResultsUnavailable) as refused:
        backend._store_result("big", "x" * 100_000, "SUCCESS")
    assert refused.value.code == "RESULT-007"
    assert backend.get_result("t") == 1
    connection.execute("PRAGMA max_page_count = 100000")
    backend.store_result("big", "x" * 100_000, "SUCCESS")
    assert backend.get_result("big") == "x" * 100_000


def test_a_failing_disk_is_said(tmp_path: Path) -> None:
    backend = _backend(tmp_path / "results.db")
    backend.store_result("t", 1, "SUCCESS")

    def write_past_the_limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        backend._store_result("big", "x" * 200_000, "SUCCESS")

    assert _refused_in_a_child(write_past_the_limit) in ("RESULT-007", "RESULT-008")
    assert backend.get_result("t") == 1


def test_a_refused_store_is_tried_again_until_there_is_room(tmp_path: Path) -> None:
    backend = _backend(tmp_path / "results.db")
    backend.store_result("t", 1, "SUCCESS")
    connection = backend.file.connection()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")

    def free(_: float) -> None:
        connection.execute("PRAGMA max_page_count = 100000")

    backend._sleep = free  # the wait between two tries is when somebody frees space
    backend.store_result("big", "x" * 100_000, "SUCCESS")
    assert backend.get_result("big") == "x" * 100_000
