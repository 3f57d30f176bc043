"""The result of a send: what can be seen of it is Celery's, whoever asks first."""

from __future__ import annotations

import copy
import gc
import pickle
from collections.abc import Iterator
from typing import Any
from unittest import mock

import celery
import pytest
from celery import Celery
from celery import result as stock
from celery.app import amqp as stock_amqp
from vine import barrier, promise

from celeriac import Plan, create_app
from celeriac.tasks.results import AsyncResult

DONE = {"status": "SUCCESS", "result": 5, "children": [], "traceback": None, "task_id": "one"}


@pytest.fixture
def app() -> Iterator[Celery]:
    # Redis is not asked for anything here.
    app = create_app(Plan(name="results", broker="memory://", results="redis://localhost:1/0"))
    app.set_current()

    @app.task(name="results.add", shared=False)
    def add(x: int) -> int:
        return x

    yield app
    app.close()


def _ours(app: Celery) -> Any:
    return app.tasks["results.add"].AsyncResult("one")


def _celerys(app: Celery) -> Any:
    return app.AsyncResult("one")


@pytest.fixture(params=[_ours, _celerys], ids=["ours", "stock"])
def result(request: Any, app: Celery) -> Any:
    return request.param(app)


def test_it_holds_what_celerys_holds(app: Celery) -> None:
    ours, theirs = _ours(app), _celerys(app)
    assert isinstance(ours, AsyncResult)
    assert not isinstance(theirs, AsyncResult)
    assert vars(ours) == {name: value for name, value in vars(theirs).items() if name != "on_ready"}
    assert (ours, hash(ours), repr(ours)) == (theirs, hash(theirs), repr(theirs))
    assert isinstance(ours.on_ready, promise)
    assert ours.on_ready is ours.on_ready


def test_it_is_pickled_as_celerys_and_copied_as_itself(app: Celery) -> None:
    assert pickle.dumps(_ours(app)) == pickle.dumps(_celerys(app))
    assert pickle.loads(pickle.dumps(_ours(app))) == _ours(app)
    assert isinstance(copy.copy(_ours(app)), AsyncResult)


def test_one_without_an_id_is_refused_as_celerys_is(app: Celery) -> None:
    with pytest.raises(ValueError) as ours:
        app.tasks["results.add"].AsyncResult(None)
    with pytest.raises(ValueError) as theirs:
        app.AsyncResult(None)
    assert str(ours.value) == str(theirs.value)


def test_all_who_asked_are_told_in_their_order_once_it_is_ready(result: Any) -> None:
    told: list[Any] = []
    gate = barrier(callback=promise(lambda: told.append("gate")), size=1)
    result.then(gate, weak=True)
    result.then(lambda each: told.append(each.id))
    result.on_ready.then(promise(lambda each: told.append(each.result)))
    assert (told, result.on_ready.ready) == ([], False)
    result._maybe_set_cache(DONE)
    assert told == ["gate", "one", 5]
    assert result.on_ready.ready
    result.then(lambda each: told.append("late"))
    assert told[-1] == "late"


def test_a_barrier_that_comes_later_or_second_is_told_as_well(result: Any) -> None:
    told: list[int] = []
    first, second, late = (
        barrier(callback=promise(lambda n=number: told.append(n)), size=1) for number in range(3)
    )
    result.then(first, weak=True)
    result.then(second, weak=True)
    result._maybe_set_cache(DONE)
    result.then(late, weak=True)
    assert told == [0, 1, 2]


def test_a_result_that_came_before_anybody_asked_is_found(app: Celery, result: Any) -> None:
    told: list[int] = []
    app.backend._pending_messages.put("one", DONE)
    result.then(barrier(callback=promise(lambda: told.append(1)), size=1), weak=True)
    assert told == [1]
    assert result.result == 5


def test_a_result_that_goes_is_waited_for_by_nobody(app: Celery) -> None:
    for make in (_ours, _celerys):
        result = make(app)
        result.then(barrier(size=1), weak=True)
        assert "one" in app.backend._pending_results.weak
        del result
        gc.collect()
        assert "one" not in app.backend._pending_results.weak


def test_a_class_of_results_that_somebody_has_given_the_app_is_kept(app: Celery) -> None:
    class Own(stock.AsyncResult):
        pass

    assert isinstance(_ours(app), AsyncResult)
    app.AsyncResult = app.subclass_with_self(Own)
    assert type(_ours(app)) is app.AsyncResult
    assert isinstance(_ours(app), Own)


def test_what_is_put_in_the_place_of_celerys_functions_is_called(app: Celery) -> None:
    before = stock.AsyncResult.__init__
    with mock.patch.object(stock.AsyncResult, "__init__", autospec=True, side_effect=before) as watched:
        _ours(app)
    assert watched.call_count == 1
    method = celery.Task.AsyncResult
    with mock.patch.object(celery.Task, "AsyncResult", autospec=True, side_effect=method) as watched:
        _ours(app)
    assert watched.call_count == 1
    assert isinstance(_ours(app), AsyncResult)


def test_an_app_with_an_amqp_class_of_its_own_has_celerys_results(app: Celery) -> None:
    app.amqp = stock_amqp.AMQP(app)
    assert type(_ours(app)) is app.AsyncResult
