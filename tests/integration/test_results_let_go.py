"""Results on Redis that nobody holds any more leave nothing behind."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from celery.exceptions import TimeoutError as NoResult

from celeriac import Plan, create_app


@pytest.fixture
def app(redis_server: Any) -> Any:
    redis_server.flush()
    return create_app(Plan(name="let-go", broker=redis_server.url, results=redis_server.url))


def _wait_a_moment(result: Any) -> None:
    with pytest.raises(NoResult):
        result.get(timeout=0.05)


def test_a_result_that_was_waited_for_is_unsubscribed_from_when_the_last_of_it_goes(app: Any) -> None:
    first, second = app.AsyncResult("one"), app.AsyncResult("one")
    _wait_a_moment(first)
    _wait_a_moment(second)
    consumer = app.backend.result_consumer
    app.backend.remove_pending_result(first)  # as Celery does when it is collected
    assert len(consumer.subscribed_to) == 1
    app.backend.remove_pending_result(second)
    assert not consumer.subscribed_to
    assert not any("one" in waited_for for waited_for in app.backend._pending_results)


def test_a_result_that_nobody_waited_for_goes_without_a_word(app: Any) -> None:
    held = app.AsyncResult("held")
    _wait_a_moment(held)
    for number in range(10):
        app.AsyncResult(f"other-{number}")
        app.AsyncResult("held")
    gc.collect()
    assert len(app.backend.result_consumer.subscribed_to) == 1
    app.backend.store_result("held", 5, "SUCCESS")
    assert held.get(timeout=60) == 5
