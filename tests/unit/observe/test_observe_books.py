"""Books of counts: what was counted is read once, whatever became of the process that counted it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from celeriac.observe.samples import Book, Shelf
from celeriac.observe.samples.book import SUFFIX, encode_entry, read_entries, whole
from celeriac.observe.samples.shelf import NAMES_MAX, OTHER, TOTAL

DONE = ("done", "shop.add")
TOOK = ("took", "shop.add")
BOUNDS = (0.1, 1.0)


def in_child(act: Callable[[], object], *, then_kill: bool = False) -> int:
    """Run `act` in a forked child and give its process id, once it is dead."""
    pid = os.fork()
    if pid == 0:
        try:
            act()
        finally:
            os.kill(os.getpid(), signal.SIGKILL) if then_kill else os._exit(0)
    os.waitpid(pid, 0)
    return pid


def test_counts_of_several_processes_are_summed(tmp_path: Path) -> None:
    def count() -> None:
        book = Book(tmp_path)
        for _ in range(10):
            book.add(DONE)
            book.observe(TOOK, 0.5, BOUNDS)

    for _ in range(3):
        in_child(count)
    sums = Shelf(tmp_path).read()
    assert sums[DONE] == (30.0,)
    assert sums[TOOK] == (0.0, 30.0, 0.0, 15.0)


def test_what_a_process_counted_before_its_kill_is_not_lost(tmp_path: Path) -> None:
    in_child(lambda: Book(tmp_path).add(DONE, 7.0), then_kill=True)
    assert Shelf(tmp_path).read()[DONE] == (7.0,)


def test_a_dead_book_is_folded_once_and_deleted(tmp_path: Path) -> None:
    in_child(lambda: Book(tmp_path).add(DONE))
    shelf = Shelf(tmp_path)
    assert [shelf.read()[DONE] for _ in range(3)] == [(1.0,)] * 3
    assert shelf.books() == 0


def test_a_book_whose_process_lives_is_left_alone(tmp_path: Path) -> None:
    book = Book(tmp_path)
    book.add(DONE)
    shelf = Shelf(tmp_path)
    assert shelf.read()[DONE] == (1.0,)
    book.add(DONE)
    assert shelf.read()[DONE] == (2.0,)
    # Another process sees by the lock that it lives.
    in_child(lambda: (tmp_path / "seen").write_text(str(Shelf(tmp_path).read()[DONE][0])))
    assert (tmp_path / "seen").read_text() == "2.0"
    assert shelf.books() == 1


def test_a_fold_that_died_before_it_deleted_is_not_counted_again(tmp_path: Path) -> None:
    in_child(lambda: Book(tmp_path).add(DONE, 5.0))
    (left,) = tmp_path.glob(f"*{SUFFIX}")
    content = left.read_bytes()
    shelf = Shelf(tmp_path)
    shelf.read()
    left.write_bytes(content)  # as if the deletion had not happened
    assert shelf.read()[DONE] == (5.0,)
    assert not left.exists()
    assert shelf.read()[DONE] == (5.0,)


def test_a_fold_that_died_before_its_rename_is_done_by_the_next(tmp_path: Path) -> None:
    in_child(lambda: Book(tmp_path).add(DONE, 5.0))
    (tmp_path / f"{TOTAL}.draft").write_bytes(b"half a tot")
    assert Shelf(tmp_path).read()[DONE] == (5.0,)
    assert not (tmp_path / f"{TOTAL}.draft").exists()


def test_a_book_grows_with_its_keys(tmp_path: Path) -> None:
    book = Book(tmp_path)
    for number in range(400):
        book.observe(("took", f"shop.task_{number}"), 0.05, BOUNDS)
    sums = Shelf(tmp_path).read()
    assert len(sums) == 400
    assert sums["took", "shop.task_399"] == (1.0, 0.0, 0.0, 0.05)


def test_names_beyond_the_bound_are_counted_as_other(tmp_path: Path) -> None:
    book = Book(tmp_path)
    for number in range(NAMES_MAX + 20):
        book.add(("sent", f"name-{number}", "default"))
    sums = Shelf(tmp_path).read()
    assert len(sums) == NAMES_MAX + 1
    assert sums["sent", OTHER, "default"] == (20.0,)


@pytest.mark.parametrize("length", range(0, 200, 7))
def test_a_book_cut_anywhere_gives_what_is_whole(length: int) -> None:
    content = whole({DONE: (1.0,), TOOK: (1.0, 2.0, 3.0)})
    found = dict(read_entries(content[:length]))
    assert all(values in {(1.0,), (1.0, 2.0, 3.0)} for values in found.values())


def test_an_entry_is_read_as_it_was_written() -> None:
    key = ("sent", 'a "name" with ünicode', "")
    assert dict(read_entries(whole({key: (1.5,)}))) == {key: (1.5,)}
    assert len(encode_entry(key, (1.5,))) % 8 == 0


def test_nothing_counted_yet_is_nothing(tmp_path: Path) -> None:
    assert Shelf(tmp_path / "not there").read() == {}
