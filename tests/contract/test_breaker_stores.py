"""The circuit breaker on each coordination store, with time that really passes."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from celeriac.coordination import open_coordination
from celeriac.errors import BreakerOpen
from celeriac.flow import Flow, SharedBreaker
from celeriac.plan import Breaker, Plan, Policy

Eventually = Callable[..., object]
COOL_DOWN = timedelta(milliseconds=400)


@pytest.fixture(params=["sqlite", "redis", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state.db'}"
    if request.param == "redis":
        return str(request.getfixturevalue("redis_server").database(8))
    return str(request.getfixturevalue("postgres_server").new_database())


@pytest.fixture
def workers(url: str) -> Iterator[list[SharedBreaker]]:
    """Five processes' views of one breaker."""
    stores = [open_coordination(url) for _ in range(5)]
    said = Breaker(name=f"smtp-{uuid4()}", failures=3, cool_down=COOL_DOWN)
    yield [SharedBreaker(said, store) for store in stores]
    for store in stores:
        store.close()


def enters(breaker: SharedBreaker) -> bool:
    try:
        breaker.enter()
    except BreakerOpen:
        return False
    return True


def break_it(breaker: SharedBreaker) -> None:
    for passage in [breaker.enter() for _ in range(3)]:
        breaker.failed(passage)


def test_failures_anywhere_open_it_everywhere(workers: list[SharedBreaker]) -> None:
    passages = [worker.enter() for worker in workers[:3]]
    for worker, passage in zip(workers, passages, strict=False):
        worker.failed(passage)
    opened = time.monotonic()
    entered = any(enters(worker) for worker in workers)
    # On a busy machine asking all of them may take longer than the cool-down.
    assert not entered or time.monotonic() - opened >= COOL_DOWN.total_seconds() * 0.9


def test_it_stays_closed_below_the_bound(workers: list[SharedBreaker]) -> None:
    for worker in workers[:2]:
        worker.failed(worker.enter())
    assert workers[4].standing().state == "closed"


def test_of_all_who_ask_after_the_cool_down_one_probes(
    workers: list[SharedBreaker], eventually: Eventually
) -> None:
    break_it(workers[0])
    opened = time.monotonic()
    let_through: list[float] = []

    def ask(worker: SharedBreaker) -> None:
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            if enters(worker):
                let_through.append(time.monotonic() - opened)
            time.sleep(0.01)

    with ThreadPoolExecutor(len(workers)) as threads:
        list(threads.map(ask, workers))
    assert len(let_through) == 1, "the probe lives, so nobody takes its place"
    assert let_through[0] >= COOL_DOWN.total_seconds() * 0.9


def test_a_probe_that_works_closes_it(workers: list[SharedBreaker], eventually: Eventually) -> None:
    break_it(workers[0])
    passage = eventually(lambda: _or_none(workers[1]))
    workers[1].succeeded(passage)
    assert all(enters(worker) for worker in workers)


def test_a_probe_that_fails_opens_it_for_another_cool_down(
    workers: list[SharedBreaker], eventually: Eventually
) -> None:
    break_it(workers[0])
    passage = eventually(lambda: _or_none(workers[1]))
    workers[1].failed(passage)
    failed = time.monotonic()
    eventually(lambda: any(enters(worker) for worker in workers))
    assert time.monotonic() - failed >= COOL_DOWN.total_seconds() * 0.9


def test_a_probe_that_dies_is_replaced_after_its_time(
    workers: list[SharedBreaker], eventually: Eventually
) -> None:
    break_it(workers[0])
    passage = eventually(lambda: _or_none(workers[1]))
    passage.probe.end()  # as if its process had been killed
    assert not enters(workers[2])
    eventually(lambda: _or_none(workers[2]), within=60)


def test_what_was_reset_lets_everybody_through(workers: list[SharedBreaker]) -> None:
    break_it(workers[0])
    workers[3].reset()
    assert all(enters(worker) for worker in workers)


def test_a_store_that_cannot_be_asked_lets_nobody_through(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    flow = Flow(Plan(coordination=f"redis://127.0.0.1:{port}/0", folder=tmp_path))
    ran = []
    with (
        pytest.raises(BreakerOpen, match="FLOW-002"),
        flow.through(Policy(breaker=Breaker(name="smtp")), "mail", "1"),
    ):
        ran.append(1)
    assert not ran


def _or_none(breaker: SharedBreaker) -> object:
    try:
        return breaker.enter()
    except BreakerOpen:
        return None
