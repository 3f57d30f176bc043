"""What is peculiar to coordination in a SQLite file: its time, its layout, what it forgets."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from celeriac.clock import Clock
from celeriac.coordination import ABSENT, Pace, open_coordination, sql
from celeriac.coordination.sql import SqlCoordination
from celeriac.errors import CoordinationError, CoordinationUnavailable, RecordsError

MINUTE = timedelta(seconds=60)


class Machine:
    """A machine whose clocks the test sets."""

    def __init__(self) -> None:
        self.wall, self.steady = 1_800_000_000.0, 500.0
        self.clock = Clock(wall=lambda: self.wall, steady=lambda: self.steady)

    def wait(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def store(file: Path, machine: Machine) -> Iterator[SqlCoordination]:
    made = SqlCoordination(f"sqlite:///{file}", clock=machine.clock)
    yield made
    made.close()


@pytest.mark.parametrize("jump_s", [-86_400, 86_400])
def test_setting_the_clock_of_the_machine_moves_no_lease(
    store: SqlCoordination, machine: Machine, file: Path, jump_s: float
) -> None:
    term = store.acquire("l", "a", MINUTE)
    machine.wall += jump_s
    # Also not for a process that starts after it was set.
    late = SqlCoordination(f"sqlite:///{file}", clock=machine.clock)
    machine.wait(59)
    assert late.acquire("l", "b", MINUTE) is None
    assert late.current("l") == term
    machine.wait(2)
    assert late.acquire("l", "b", MINUTE) is not None
    late.close()


def test_after_a_reboot_what_was_held_lapses_by_wall_time(
    store: SqlCoordination, machine: Machine, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = store.acquire("l", "a", MINUTE)
    store.claim("k", "a", MINUTE * 10)
    machine.steady, machine.wall = 3.0, machine.wall + 90
    monkeypatch.setattr(sql, "boot_id", lambda: "another boot")
    rebooted = SqlCoordination(f"sqlite:///{file}", clock=machine.clock)
    new = rebooted.acquire("l", "b", MINUTE)
    assert old is not None
    assert new is not None
    assert new.number > old.number
    assert not rebooted.claim("k", "b", MINUTE)
    machine.wait(600)
    assert rebooted.claim("k", "b", MINUTE)
    rebooted.close()


def test_numbers_grow_on_when_the_file_is_lost(machine: Machine, tmp_path: Path) -> None:
    numbers = []
    for name in ("one.db", "two.db"):
        lost = SqlCoordination(f"sqlite:///{tmp_path / name}", clock=machine.clock)
        for holder in "abc":
            term = lost.acquire("l", holder, MINUTE)
            assert term is not None
            numbers.append(term.number)
            lost.release(term)
            machine.wait(30)
        lost.close()
    assert numbers == sorted(set(numbers))


def test_what_has_lapsed_is_deleted_but_numbers_stay(
    store: SqlCoordination, machine: Machine, file: Path
) -> None:
    store.acquire("l", "a", MINUTE)
    store.claim("k", "a", MINUTE)
    store.swap("d", ABSENT, b"x", MINUTE)
    store.swap("kept", ABSENT, b"x")
    store.add("c", MINUTE)
    machine.wait(120)
    store.claim("other", "a", MINUTE)
    with sqlite3.connect(file) as database:
        rows = {
            table: database.execute(f"SELECT count(*) FROM celeriac_{table}").fetchone()[0]
            for table in ("leases", "claims", "documents", "counts")
        }
    assert rows == {"leases": 1, "claims": 1, "documents": 1, "counts": 0}


def test_a_store_of_a_newer_celeriac_is_refused_and_left_alone(store: SqlCoordination, file: Path) -> None:
    store.claim("k", "a", MINUTE)
    with sqlite3.connect(file) as database:
        database.execute("UPDATE celeriac_coordination SET version = 99")
    with pytest.raises(CoordinationError, match="COORD-005"):
        SqlCoordination(f"sqlite:///{file}").current("l")


def test_a_file_that_is_no_database_is_said_to_be_none(file: Path) -> None:
    file.write_text("no database at all, but long enough to have a header of one\n" * 20)
    with pytest.raises(CoordinationError) as raised:
        SqlCoordination(f"sqlite:///{file}").current("l")
    assert not isinstance(raised.value, CoordinationUnavailable)
    assert file.read_text().startswith("no database")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("mysql://localhost/x", "COORD-008"),
        ("nothing", "COORD-008"),
        ("redis://localhost:notaport/0", "COORD-002"),
    ],
)
def test_a_url_that_names_no_store_is_refused(url: str, code: str) -> None:
    with pytest.raises(CoordinationError) as raised:
        open_coordination(url)
    assert raised.value.code == code


def test_a_server_that_is_not_there_is_unavailable_and_its_password_hidden() -> None:
    for url in ("redis://:geheim@127.0.0.1:1/0", "postgresql://shop:geheim@127.0.0.1:1/shop"):
        store = open_coordination(url)
        with pytest.raises(CoordinationUnavailable) as raised:
            store.current("l")
        assert "geheim" not in str(raised.value)
        assert "geheim" not in store.at
        store.close()


def test_a_driver_that_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from celeriac.stores import redis as redis_store
    from celeriac.stores import sql as sql_store

    monkeypatch.setattr(redis_store.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CoordinationError, match=r"celeriac\[redis\]"):
        open_coordination("redis://localhost/0")
    monkeypatch.setattr(sql_store.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RecordsError, match=r"celeriac\[postgres\]"):
        open_coordination("postgresql://localhost/x")


def test_a_store_of_the_layout_before_is_brought_up_and_keeps_what_it_knows(
    store: SqlCoordination, file: Path
) -> None:
    term = store.acquire("l", "a", MINUTE)
    with sqlite3.connect(file) as database:
        database.execute("DROP TABLE celeriac_lines")
        database.execute("DROP TABLE celeriac_places")
        database.execute("UPDATE celeriac_coordination SET version = 1")
    again = SqlCoordination(f"sqlite:///{file}", clock=store._clock)
    assert again.current("l") == term
    assert again.take_turn("r", "a", Pace(MINUTE, MINUTE)) == timedelta()
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT version FROM celeriac_coordination").fetchone() == (2,)
    again.close()


def test_places_and_lines_that_nobody_uses_are_deleted(
    store: SqlCoordination, machine: Machine, file: Path
) -> None:
    for who in "abc":
        store.take_turn("r", who, Pace(MINUTE, timedelta()))
    machine.wait(59 * 60)
    store.claim("k", "a", MINUTE)
    counted = "SELECT (SELECT count(*) FROM celeriac_lines), (SELECT count(*) FROM celeriac_places)"
    with sqlite3.connect(file) as database:
        assert database.execute(counted).fetchone() == (1, 2)
    machine.wait(2 * 3600)
    store.claim("k", "a", MINUTE)
    with sqlite3.connect(file) as database:
        assert database.execute(counted).fetchone() == (0, 0)
