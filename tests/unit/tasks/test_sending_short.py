"""The short way of a call: taken for plain calls only, and never past what somebody has put in Celery's place."""

from __future__ import annotations

from typing import Any
from unittest import mock

import celery
import pytest
from celery import Celery
from celery.exceptions import QueueNotFound
from kombu import Queue

from celeriac import Plan, Policy, create_app
from celeriac.plan import Queue as PlannedQueue
from celeriac.tasks.sending.live import Live
from celeriac.tasks.sending.short import ShortWay

BASIC_PUBLISH = "kombu.transport.virtual.base.Channel.basic_publish"


@pytest.fixture
def app() -> Celery:
    app = create_app(Plan(name="short", broker="memory://", results="cache+memory://"))

    @app.task(name="short.add", shared=False)
    def add(x: int, y: int = 0) -> int:
        return x + y

    return app


def _sent(app: Celery, *args: Any, **options: Any) -> list[tuple[Any, str, str]]:
    sent: list[tuple[Any, str, str]] = []

    def take(_: Any, message: Any, exchange: str, routing_key: str, **__: Any) -> None:
        sent.append((message, exchange, routing_key))

    with mock.patch(BASIC_PUBLISH, take):
        app.tasks["short.add"].apply_async(args, **options)
    return sent


def _ways(app: Celery, **options: Any) -> int:
    """Count how many of one call take the short way."""
    with mock.patch.object(ShortWay, "send", autospec=True, side_effect=ShortWay.send) as way:
        _sent(app, 1, **options)
    return way.call_count


def test_a_plain_call_takes_the_short_way(app: Celery) -> None:
    assert _ways(app) == 1
    assert _ways(app, queue="other", priority=3, headers={"a": 1}, link=app.tasks["short.add"].s(1)) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"countdown": 5},
        {"expires": 5},
        {"eta": "2030-01-01T00:00:00+00:00"},
        {"stamped_headers": ["a"], "a": 1},
        {"argsrepr": "()"},
        {"soft_time_limit": 1, "time_limit": 2, "another": 1},
    ],
)
def test_a_call_that_asks_for_more_takes_celerys_way(app: Celery, options: dict[str, Any]) -> None:
    assert _ways(app, **options) == 0
    assert _sent(app, 1, **options)


def test_arguments_that_do_not_fit_are_refused_as_celery_refuses_them(app: Celery) -> None:
    with pytest.raises(TypeError, match="positional argument"):
        _sent(app, 1, 2, 3)
    assert _sent(app, 1, typing=False)


def test_what_is_put_in_the_place_of_celerys_functions_is_called(app: Celery) -> None:
    stock_send, stock_apply = celery.Celery.send_task, celery.Task.apply_async
    with mock.patch.object(celery.Celery, "send_task", autospec=True, side_effect=stock_send) as watched:
        _sent(app, 1)
    assert watched.call_count == 1
    with mock.patch.object(celery.Task, "apply_async", autospec=True, side_effect=stock_apply) as watched:
        _sent(app, 1)
    assert watched.call_count == 1
    with mock.patch.object(app, "send_task", side_effect=app.send_task) as watched:
        _sent(app, 1)
    assert watched.call_count == 1
    assert _ways(app) == 1


def test_an_app_class_with_a_send_task_of_its_own_is_asked() -> None:
    names: list[str] = []

    class Own(Celery):
        def send_task(self, name: str, *args: Any, **kwargs: Any) -> Any:
            names.append(name)
            return super().send_task(name, *args, **kwargs)

    from celeriac import adopt

    app = adopt(Own("own", set_as_current=False), Plan(name="own", broker="memory://"))

    @app.task(name="short.add", shared=False)
    def add(x: int) -> int:
        return x

    assert _sent(app, 1)
    assert names == ["short.add"]


def test_eager_is_heeded_from_the_next_call_on(app: Celery) -> None:
    assert len(_sent(app, 1)) == 1
    app.conf.task_always_eager = True
    assert _sent(app, 1) == []
    assert app.tasks["short.add"].delay(1, 2).get() == 3
    app.conf.task_always_eager = False
    assert len(_sent(app, 1)) == 1


def test_a_setting_is_read_under_each_of_its_names() -> None:
    app = Celery("live", set_as_current=False)
    app.config_from_object({"CELERY_ALWAYS_EAGER": True})
    assert Live(app, "task_always_eager")() is True
    source = type("Source", (), {"MY_TASK_ALWAYS_EAGER": False})
    app = Celery("live", set_as_current=False)
    app.config_from_object(source, namespace="MY")
    read = Live(app, "task_always_eager")
    assert read() is False
    source.MY_TASK_ALWAYS_EAGER = True  # type: ignore[attr-defined]
    assert read() is app.conf.task_always_eager is True
    app.conf.task_always_eager = False
    assert read() is False
    app.config_from_object({"task_always_eager": True})
    assert read() is app.conf.task_always_eager


def test_a_task_goes_where_the_plan_the_call_and_the_settings_say() -> None:
    plan = Plan(
        name="routes",
        broker="memory://",
        queues={"default": PlannedQueue(), "fast": PlannedQueue()},
        tasks={"short.add": Policy(queue="fast", priority=7)},
    )
    app = create_app(plan, task_create_missing_queues=False)

    @app.task(name="short.add", shared=False)
    def add(x: int) -> int:
        return x

    @app.task(name="short.other", shared=False)
    def other(x: int) -> int:
        return x

    [(message, _, queue)] = _sent(app, 1)
    assert (queue, message["properties"]["priority"]) == ("fast", 7)
    [(message, _, queue)] = _sent(app, 1, queue="default", priority=2)
    assert (queue, message["properties"]["priority"]) == ("default", 2)
    [(_, _, queue)] = _sent(app, 1, queue=Queue("own", routing_key="own"))
    assert queue == "own"
    with pytest.raises(QueueNotFound):
        _sent(app, 1, queue="nowhere")
    app.conf.task_default_queue = "nowhere"
    with pytest.raises(QueueNotFound):
        other.apply_async((1,))


def test_a_router_of_the_team_is_asked_for_each_call(app: Celery) -> None:
    asked: list[tuple[Any, Any]] = []

    def route(name: str, args: Any, kwargs: Any, options: Any, task: Any = None, **_: Any) -> Any:
        asked.append((args, kwargs))
        return {"queue": f"q{args[0]}"}

    app.conf.task_routes = [route, *app.conf.task_routes]
    app.amqp.flush_routes()
    assert [queue for x in (1, 2) for _, _, queue in _sent(app, x)] == ["q1", "q2"]
    assert asked == [((1,), None), ((2,), None)] or asked == [((1,), {}), ((2,), {})]
