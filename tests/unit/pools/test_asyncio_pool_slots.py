"""The asyncio pool alone: which slots plain functions and decorated coroutines get."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from functools import wraps
from typing import Any

import pytest
from celery import Celery, current_app

from celeriac.pools.asyncio import TaskPool
from servers.waiting import eventually


@pytest.fixture
def app() -> Celery:
    app = Celery("slots", broker="memory://", set_as_current=False)

    def noting(function: Any) -> Any:
        @wraps(function)
        async def around(*args: Any) -> Any:
            await asyncio.sleep(0)
            return function(*args)

        return around

    @app.task(name="around", shared=False)
    @noting
    def around() -> None: ...

    @app.task(name="plain", shared=False)
    def plain() -> None: ...

    return app


@pytest.fixture
def pool(app: Celery) -> Iterator[TaskPool]:
    pool = TaskPool(1, app=app)
    pool.start()
    yield pool
    pool.stop()


def test_a_slot_that_was_added_runs_a_plain_function_beside_the_first(pool: TaskPool) -> None:
    pool.grow(1)
    both = threading.Barrier(2, timeout=20)
    met: list[int] = []
    for _ in range(2):
        pool.apply_async(lambda: met.append(both.wait()))
    assert eventually(lambda: sorted(met) == [0, 1], within=30)


def test_a_coroutine_that_a_decorator_makes_of_a_function_runs_on_the_loop(pool: TaskPool) -> None:
    threads: dict[str, str] = {}
    for name in ("around", "plain"):
        pool.apply_async(lambda name: threads.update({name: threading.current_thread().name}), (name,))
    eventually(lambda: len(threads) == 2, within=30)
    assert threads["around"] == "asyncio-pool", "the loop's own thread"
    assert threads["plain"].startswith("asyncio-pool_"), "a thread beside it"


def test_tasks_run_by_the_workers_app_whichever_the_process_has_made_since(
    pool: TaskPool, app: Celery
) -> None:
    before = current_app._get_current_object()
    Celery("another", set_as_current=False).set_default()
    try:
        seen: dict[str, Any] = {}
        for name in ("around", "plain"):
            pool.apply_async(lambda name: seen.update({name: current_app._get_current_object()}), (name,))
        eventually(lambda: len(seen) == 2, within=30)
    finally:
        before.set_default()
    assert seen == {"around": app, "plain": app}


def test_a_plain_function_runs_to_its_end_while_a_coroutine_holds_up_the_loop(pool: TaskPool) -> None:
    pool.grow(1)
    holds, may_go, ended = threading.Event(), threading.Event(), threading.Event()
    pool.apply_async(lambda name: (holds.set(), may_go.wait(60)), ("around",))
    assert holds.wait(60)
    try:
        pool.apply_async(lambda name: None, ("plain",), callback=lambda outcome: ended.set())
        assert ended.wait(20)
    finally:
        may_go.set()


def test_no_more_run_at_once_than_there_are_slots_whoever_starts_them(pool: TaskPool) -> None:
    pool.grow(2)
    changing, now, most, ended = threading.Lock(), [0], [0], [0]

    def run(name: str) -> None:
        with changing:
            now[0] += 1
            most[0] = max(most[0], now[0])
        threading.Event().wait(0.001)
        with changing:
            now[0] -= 1
            ended[0] += 1

    for number in range(300):
        pool.apply_async(run, ("around" if number % 3 == 0 else "plain",))
    assert eventually(lambda: ended[0] == 300, within=60)
    assert 1 < most[0] <= 3
