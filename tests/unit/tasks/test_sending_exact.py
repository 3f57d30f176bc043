"""What is sent is what stock Celery sends: the same message for the same call, ids and times aside."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from unittest import mock

import pytest
from celery import Celery, signals
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kombu import Exchange, Queue

from celeriac import Plan, create_app
from celeriac.tasks.sending.producer import Producer
from celeriac.tasks.sending.reprs import with_short_reprs

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

#: JSON that a task may be given
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=80)
    | st.datetimes(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
options = st.fixed_dictionaries(
    {"task_id": st.uuids().map(str), "reply_to": st.just("somebody")},  # else the id of the app
    optional={
        "queue": st.sampled_from(["default", "other", Queue("own", Exchange("own"), "own.key")]),
        "countdown": st.integers(1, 1000),
        "expires": st.integers(1, 1000) | st.just(datetime(2027, 1, 1, tzinfo=UTC)),
        "priority": st.integers(0, 9),
        "serializer": st.sampled_from(["json", "pickle"]),
        "compression": st.sampled_from(["gzip", "bzip2"]),
        "headers": st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
        "shadow": st.text(max_size=5),
        "time_limit": st.integers(10, 20),
        "soft_time_limit": st.integers(1, 9),
        "ignore_result": st.booleans(),
        "root_id": st.uuids().map(str),
        "parent_id": st.uuids().map(str),
        "group_id": st.uuids().map(str),
        "group_index": st.integers(0, 5),
        "retries": st.integers(0, 5),
        "delivery_mode": st.sampled_from([1, 2]),
        "argsrepr": st.text(max_size=5),
        "link": st.booleans(),
        "link_error": st.booleans(),
        "stamped_headers": st.just(["stamp"]),
        "retry": st.booleans(),
        "extra": st.text(max_size=5),
    },
)


class Recorder:
    """The last step of a send, written down instead of taken."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def basic_publish(self, message: Any, exchange: str, routing_key: str, **_: Any) -> None:
        self.sent.append((message, exchange, routing_key))


def _apps() -> tuple[Celery, Celery]:
    ours = create_app(Plan(name="same", broker="memory://", results="cache+memory://"))
    stock = Celery("same", broker="memory://", backend="cache+memory://", set_as_current=False)
    for name in ("task_acks_late", "task_default_queue", "accept_content", "enable_utc"):
        stock.conf[name] = ours.conf[name]
    for app in (ours, stock):

        @app.task(name="exact.add", shared=False, typing=False)
        def add(*args: Any, **kwargs: Any) -> None: ...

    return ours, stock


@pytest.fixture(scope="module")
def apps() -> tuple[Celery, Celery]:
    return _apps()


def _sent_by(app: Celery, args: Any, kwargs: Any, said: dict[str, Any]) -> Any:
    task = app.tasks["exact.add"]
    said = dict(said)
    for link in ("link", "link_error"):
        if said.pop(link, False):
            said[link] = task.signature((1,), options={"task_id": "linked"})
    if "stamped_headers" in said:
        said["stamp"] = "a"
    recorder = Recorder()
    heard: list[Any] = []

    def listen(signal: Any = None, **told: Any) -> None:
        told.pop("declare", None)
        if isinstance(told.get("headers"), dict):
            told["headers"] = {name: it for name, it in told["headers"].items() if name != "celeriac-sent"}
        heard.append({name: repr(value) for name, value in told.items()})

    with (
        mock.patch(
            "kombu.transport.virtual.base.Channel.basic_publish",
            recorder.basic_publish,
        ),
        mock.patch.object(app, "now", lambda: NOW),
    ):
        for signal in (signals.before_task_publish, signals.after_task_publish):
            signal.connect(listen)
        try:
            result = task.apply_async(args, kwargs, **said)
        finally:
            for signal in (signals.before_task_publish, signals.after_task_publish):
                signal.disconnect(listen)
    for message, *_ in recorder.sent:
        # Set where an app with metrics was made in this process before: to both, and later to one.
        message["headers"].pop("celeriac-sent", None)
    return recorder.sent, heard, result.id, result.ignored


@given(st.lists(values, max_size=4), st.dictionaries(st.text(max_size=5), values, max_size=3), options)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_call_leaves_as_stock_celery_sends_it(
    apps: tuple[Celery, Celery], args: list[Any], kwargs: dict[str, Any], said: dict[str, Any]
) -> None:
    ours, stock = (_sent_by(app, args, kwargs, said) for app in apps)
    assert ours[0][0] == stock[0][0]
    assert list(ours[0][0][0]["headers"]) == list(stock[0][0][0]["headers"])
    assert ours[1:] == stock[1:]


@given(
    st.lists(values, max_size=10).map(tuple) | st.lists(values, max_size=10),
    st.dictionaries(st.text(max_size=5), values, max_size=10),
)
@settings(max_examples=500, deadline=None)
def test_arguments_are_written_in_headers_as_celery_writes_them(args: Any, kwargs: dict[str, Any]) -> None:
    amqp = _REPRS.amqp
    ours = with_short_reprs(amqp.as_task_v2)("id", "name", args, kwargs)
    assert ours.headers == amqp.as_task_v2("id", "name", args, kwargs).headers


_REPRS = Celery("reprs", set_as_current=False)


def test_the_app_sends_by_a_producer_of_ours(apps: tuple[Celery, Celery]) -> None:
    with apps[0].producer_or_acquire() as producer:
        assert isinstance(producer, Producer)
    with apps[1].producer_or_acquire() as producer:
        assert not isinstance(producer, Producer)


def test_an_app_with_an_amqp_class_of_its_own_keeps_it() -> None:
    app = Celery("own", amqp="celery.app.amqp:AMQP", set_as_current=False)

    class Own(app.amqp_cls if isinstance(app.amqp_cls, type) else object):  # type: ignore[misc]
        pass

    app.amqp_cls = Own
    from celeriac import adopt

    adopt(app, Plan(broker="memory://"))
    assert app.amqp_cls is Own
