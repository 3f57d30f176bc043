"""The short way of a message into a request: open where nobody listens, and the same request at its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery, signals
from celery.concurrency.prefork import TaskPool as Prefork
from celery.concurrency.solo import TaskPool as Solo
from celery.worker import state

import celeriac
from celeriac.tasks.strategy import default

PLAN = """
[celeriac]
name = "short"
broker = "memory://"
results = "cache+memory://"
[queues.default]
"""


class Eventer:
    """What a worker's event dispatcher says of itself."""

    enabled = True

    def __init__(self, *groups: str) -> None:
        self.groups = set(groups)
        self.sent: list[str] = []

    def send(self, kind: str, **_: Any) -> None:
        self.sent.append(kind)


@pytest.fixture
def app(tmp_path: Path) -> Celery:
    plan = tmp_path / "celeriac.toml"
    plan.write_text(PLAN)
    made: Celery = celeriac.create_app(plan)

    @made.task(name="short.same", shared=False)
    def same(number: int) -> int:
        return number

    made.finalize()
    return made


class Consumer(SimpleNamespace):
    """What a strategy asks of the worker's consumer."""

    __hash__ = object.__hash__


Deliver = Callable[..., list[Any]]


@pytest.fixture
def deliver(app: Celery) -> Deliver:
    def given(eventer: Any = None, pool: type = Solo, bucket: Any = None, **headers: Any) -> list[Any]:
        """Give the strategy a message; returns the requests that were handed to the pool."""
        requests: list[Any] = []
        consumer = Consumer(
            hostname="worker@host",
            connection_errors=(),
            event_dispatcher=eventer or Eventer("worker"),
            timer=SimpleNamespace(call_at=lambda *_, **__: "entry"),
            apply_eta_task=None,
            disable_rate_limits=False,
            task_buckets={"short.same": bucket},
            on_task_request=requests.append,
            _limit_task=lambda request, *_: requests.append(request),
            _limit_post_eta=None,
            qos=SimpleNamespace(increment_eventually=lambda: None),
            pool=SimpleNamespace(
                apply_async=None, body_can_be_buffer=getattr(pool, "body_can_be_buffer", False)
            ),
            controller=SimpleNamespace(state=state),
        )
        task = app.tasks["short.same"]
        with app.connection_for_write() as connection:
            queue = connection.SimpleQueue("default")
            queue.clear()
            sent = task.apply_async((4,), headers=headers, connection=connection)
            message = queue.get(timeout=5)
        message.headers.update(headers)
        default(task, app, consumer)(message, None, message.ack_log_error, message.reject_log_error, [])
        state.requests.pop(sent.id, None)
        return requests

    return given


def test_a_pool_in_this_process_is_given_the_body_that_was_decoded_here(deliver: Deliver) -> None:
    (request,) = deliver()
    assert request.body[0] == [4]
    assert request.content_type is None


@pytest.mark.parametrize(
    "listening",
    [
        {"pool": Prefork},
        {"eventer": Eventer()},
        {"eventer": Eventer("worker", "task")},
        {"bucket": object()},
        {"stamped_headers": ["team"], "stamps": {"team": "a"}},
        {"expires": "2999-01-01T00:00:00+00:00"},
    ],
)
def test_where_somebody_listens_a_message_goes_the_way_of_celery(
    deliver: Deliver, listening: dict[str, Any]
) -> None:
    (request,) = deliver(**listening)
    assert isinstance(request.body, bytes | str | memoryview)
    assert request.content_type == "application/json"


def test_the_signal_of_a_received_task_is_sent_on_the_short_way_too(deliver: Deliver) -> None:
    received: list[str] = []

    def note(request: Any, **_: Any) -> None:
        received.append(request.id)

    signals.task_received.connect(note)
    try:
        (request,) = deliver()
    finally:
        signals.task_received.disconnect(note)
    assert received == [request.id]


def test_a_revoked_task_is_not_handed_to_the_pool(deliver: Deliver) -> None:
    state.revoked.add("gone")
    try:
        assert deliver(id="gone") == []
    finally:
        state.revoked.discard("gone")
