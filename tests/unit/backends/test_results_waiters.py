"""Who waits for which result: the same as in Celery's own mappings, whatever happens in which order."""

from __future__ import annotations

import gc
from collections import defaultdict
from typing import Any

from celery.backends.asynchronous import AsyncBackendMixin, _waiting_on
from celery.backends.base import pending_results_t
from hypothesis import given
from hypothesis import strategies as st

from celeriac.backends.waiters import FewWaiters, OneWaiter


class Result:
    """What a backend knows of a result."""

    def __init__(self, task_id: str) -> None:
        self.id = task_id


class Consumer:
    """What a backend tells its consumer."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def consume_from(self, task_id: str) -> None:
        self.told.append(("from", task_id))

    def cancel_for(self, task_id: str) -> None:
        self.told.append(("not", task_id))


class Stock(AsyncBackendMixin):
    def __init__(self) -> None:
        self._pending_results = pending_results_t({}, {})
        self.result_consumer = Consumer()


class Ours(FewWaiters, Stock):
    """A backend of ours, as far as it notes who waits."""


def _run(backend: Any, steps: list[tuple[str, str, int]]) -> list[Any]:
    """Do the steps; give who would be told of which task after each, by numbers that a result is born with."""
    alive: dict[int, Result] = {}
    numbers: dict[int, int] = {}
    seen: list[Any] = []
    for what, task_id, place in steps:
        if what == "go":
            gone = alive.pop(place, None)
            if gone is not None:
                backend.remove_pending_result(gone)  # as Celery does when it is collected
                del gone
        elif what == "vanish":
            alive.pop(place, None)
        else:
            result = alive.setdefault(place, Result(task_id))
            numbers[id(result)] = place
            if what == "remove":
                backend.remove_pending_result(result)
            else:
                backend._add_pending_result(result.id, result, weak=what == "weakly")
            del result
        waiting = defaultdict(set)
        for each in "ab":
            for result in _waiting_on(backend._pending_results, each):
                waiting[each].add(numbers[id(result)])
                del result
        seen.append(dict(waiting))
    return seen


steps = st.lists(
    st.tuples(
        st.sampled_from(["weakly", "weakly", "strongly", "remove", "go", "vanish"]),
        st.sampled_from("ab"),
        st.integers(0, 3),
    ),
    max_size=14,
)


@given(steps)
def test_the_same_results_are_told_of_a_task_as_in_stock_celery(told: list[tuple[str, str, int]]) -> None:
    ours, stock = Ours(), Stock()
    assert _run(ours, told) == _run(stock, told)
    noted = [each for each in ours.result_consumer.told if each[0] == "from"]
    assert noted == [each for each in stock.result_consumer.told if each[0] == "from"]


def test_a_members_waiter_is_one_object_and_is_forgotten_with_it() -> None:
    backend, results = Ours(), [Result(str(number)) for number in range(100)]
    gc.collect()
    before = len(gc.get_objects())
    for result in results:
        backend._add_pending_result(result.id, result, weak=True)
    gc.collect()
    assert len(gc.get_objects()) - before <= 110
    assert isinstance(backend._pending_results.weak["0"], OneWaiter)
    for result in results:
        backend.remove_pending_result(result)
    assert not backend._pending_results.weak
    assert backend.result_consumer.told[-1] == ("not", "99")


def test_a_result_whose_reference_the_collector_has_cleared_leaves_nothing_behind() -> None:
    backend, result = Ours(), Result("a")
    backend._add_pending_result("a", result, weak=True)
    result = Result("a")
    assert not backend._pending_results.weak["a"]
    backend.remove_pending_result(result)
    assert not backend._pending_results.weak
