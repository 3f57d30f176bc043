"""Results that are gathered: written together, in order, before `flush` returns, and never forgotten."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from celeriac.backends.gathering import Gathering, Write


class Store:
    """A place that keeps what is written, and can be away."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.is_away = False
        #: ids of which it takes none, nor what comes together with them
        self.refuses: set[str] = set()
        self.open = threading.Event()
        self.open.set()

    def write(self, writes: list[Write]) -> None:
        self.open.wait(10)
        if self.is_away:
            raise ConnectionError("away")
        if self.refuses.intersection(each.task_id for each in writes):
            raise ValueError("not of a kind to be kept")
        self.calls.append([each.task_id for each in writes])

    def result(self, task_id: str, place: str = "one") -> Write:
        return Write(place, self.write, task_id, "SUCCESS", (task_id,), ())


@pytest.fixture
def store() -> Store:
    return Store()


class Clock:
    """Monotonic seconds that pass when the test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gathering(clock: Clock) -> Iterator[Gathering]:
    made = Gathering(clock)
    made._flusher = threading.current_thread()  # flushed by the test alone
    yield made


def test_a_result_is_written_at_once_where_nobody_promised_to_flush(
    gathering: Gathering, store: Store
) -> None:
    gathering.put(store.result("a"))
    assert store.calls == [["a"]]


def test_results_are_written_by_one_call_to_each_place_in_their_order(
    gathering: Gathering, store: Store
) -> None:
    gathering.begin()
    for task_id in "abc":
        gathering.put(store.result(task_id))
    gathering.put(store.result("x", place="two"))
    assert store.calls == []
    gathering.flush()
    assert store.calls == [["a", "b", "c"], ["x"]]


def test_while_results_keep_coming_who_puts_the_next_after_5_ms_writes_them_all(
    gathering: Gathering, store: Store, clock: Clock
) -> None:
    gathering.begin()
    gathering.put(store.result("a"))
    clock.now += 0.004
    gathering.put(store.result("b"))
    assert store.calls == []
    clock.now += 0.001
    gathering.put(store.result("c"))
    assert store.calls == [["a", "b", "c"]]


def test_who_puts_a_result_does_not_wait_for_a_store_in_trouble(
    gathering: Gathering, store: Store, clock: Clock
) -> None:
    gathering.begin()
    store.is_away = True
    tried: list[str] = []

    def refuse(writes: list[Write]) -> None:
        tried.append("".join(each.task_id for each in writes))
        raise ConnectionError("away")

    for task_id in "abcd":
        gathering.put(store.result(task_id)._replace(write=refuse))
        clock.now += 0.010
    assert tried == ["ab"]


def test_a_store_that_is_away_keeps_results_waiting_in_their_order(
    gathering: Gathering, store: Store
) -> None:
    gathering.begin()
    store.is_away = True
    gathering.put(store.result("a"))
    with pytest.raises(ConnectionError):
        gathering.flush()
    gathering.put(store.result("b"))
    store.is_away = False
    gathering.flush()
    assert store.calls == [["a", "b"]]


def test_a_flush_waits_for_the_one_that_writes_what_was_put_before_it(
    gathering: Gathering, store: Store, eventually: Callable[..., Any]
) -> None:
    gathering.begin()
    store.open.clear()
    gathering.put(store.result("a"))
    first, second = threading.Thread(target=gathering.flush), threading.Thread(target=gathering.flush)
    first.start()
    eventually(lambda: not gathering._waiting)
    second.start()
    second.join(0.1)
    assert second.is_alive(), "the ack of a must not go before its result"
    store.open.set()
    first.join(10)
    second.join(10)
    assert store.calls == [["a"]]


def test_nothing_waits_longer_than_a_moment(store: Store, eventually: Callable[..., Any]) -> None:
    gathering = Gathering()
    gathering.begin()
    gathering.put(store.result("a"))
    eventually(lambda: store.calls == [["a"]], within=5)


def test_many_that_wait_are_written_by_whoever_puts_one_more(gathering: Gathering, store: Store) -> None:
    gathering.begin()
    for number in range(1000):
        gathering.put(store.result(str(number)))
    assert [len(call) for call in store.calls] == [1000]


def test_the_end_writes_what_is_left_and_gathers_no_longer(gathering: Gathering, store: Store) -> None:
    gathering.begin()
    gathering.put(store.result("a"))
    gathering.end()
    gathering.put(store.result("b"))
    assert store.calls == [["a"], ["b"]]


def test_a_forked_child_leaves_to_its_parent_what_is_gathered(gathering: Gathering, store: Store) -> None:
    gathering.begin()
    gathering.put(store.result("a"))
    child = os.fork()
    if child == 0:
        gathering.forget()
        gathering.put(store.result("b"))
        os._exit(0 if store.calls == [["b"]] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    gathering.flush()
    assert store.calls == [["a"]]


def test_what_a_task_says_while_it_runs_is_written_before_it_goes_on(
    store: Store, gathering: Gathering
) -> None:
    gathering.begin()
    gathering.put(store.result("done"))
    assert store.calls == []
    gathering.put(store.result("running")._replace(state="STARTED"))
    assert store.calls == [["done", "running"]], "in one call, and in order"


def test_a_store_that_is_away_does_not_stop_a_task_that_says_that_it_runs(
    store: Store, gathering: Gathering
) -> None:
    gathering.begin()
    store.is_away = True
    gathering.put(store.result("running")._replace(state="PROGRESS"))
    store.is_away = False
    gathering.flush()
    assert store.calls == [["running"]]


def test_a_result_that_can_never_be_written_holds_up_no_other(
    gathering: Gathering, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    gathering.begin()
    store.refuses = {"b"}
    for task_id in "abc":
        gathering.put(store.result(task_id))
    gathering.flush()
    assert store.calls == [["a"], ["c"]]
    (said,) = [record for record in caplog.records if record.event == "results.refused"]
    assert "of task b (SUCCESS)" in said.getMessage()
    assert "not of a kind to be kept" in said.getMessage()


def test_results_that_are_all_refused_wait_for_the_store_to_be_mended(
    gathering: Gathering, store: Store
) -> None:
    gathering.begin()
    store.refuses = {"a", "b"}
    for task_id in "ab":
        gathering.put(store.result(task_id))
    with pytest.raises(ValueError, match="not of a kind"):
        gathering.flush()
    store.refuses = set()
    gathering.flush()
    assert store.calls == [["a", "b"]]
