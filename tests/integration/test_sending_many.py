"""Many tasks at once: few round trips on every broker, and messages that any worker can run."""

from __future__ import annotations

import gc
import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from celery import Celery, chain, chord, group, signals
from redis import Redis

from celeriac import Plan, Queue, create_app, send_many
from celeriac.errors import QueueFull
from celeriac.tasks.sending.producer import Producer


def _app(broker: str, folder: Path, **plan: Any) -> Celery:
    app = create_app(Plan(name="many", broker=broker, folder=folder, **plan))
    app.set_current()

    @app.task(name="many.add", shared=False)
    def add(x: int, y: int = 0) -> int:
        return x + y

    @app.task(name="many.total", shared=False)
    def total(values: list[int]) -> int:
        return sum(values)

    return app


@pytest.fixture
def redis(redis_server: Any) -> Iterator[Redis]:
    with Redis.from_url(redis_server.database(6)) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture
def redis_app(redis: Redis, redis_server: Any, tmp_path: Path) -> Celery:
    return _app(redis_server.database(6), tmp_path)


def _scripts_run(redis: Redis) -> int:
    said = redis.info("commandstats")
    return sum(int(said.get(f"cmdstat_{name}", {"calls": 0})["calls"]) for name in ("evalsha", "eval"))


def _headers(redis: Redis, queue: str = "celery") -> list[dict[str, Any]]:
    """What waits, oldest first."""
    return [json.loads(raw)["headers"] for raw in reversed(redis.lrange(queue, 0, -1))]


def _sent_in_steps(redis: Redis, send: Any) -> int:
    redis.config_resetstat()
    send()
    return _scripts_run(redis)


@pytest.mark.parametrize("kind", ["send_many", "group", "chord", "chunks", "chain in a group", "nested"])
def test_two_thousand_tasks_take_a_few_round_trips(redis_app: Celery, redis: Redis, kind: str) -> None:
    add, total = redis_app.tasks["many.add"], redis_app.tasks["many.total"]
    sends = {
        "send_many": lambda: send_many(add.s(i) for i in range(2000)),
        "group": lambda: group(add.s(i) for i in range(2000)).apply_async(),
        "chord": lambda: chord((add.s(i) for i in range(2000)), total.s()).apply_async(),
        "chunks": lambda: add.chunks(((i,) for i in range(2000)), 1).apply_async(),
        "chain in a group": lambda: group(chain(add.s(i), add.s(1)) for i in range(2000)).apply_async(),
        "nested": lambda: group(
            [group(add.s(i) for i in range(1000)), group(add.s(i) for i in range(1000))]
        ).apply_async(),
    }
    add.delay(0)  # connects and declares
    # A script or two may be another's: whoever still beats on this server.
    assert _sent_in_steps(redis, sends[kind]) <= 10
    assert redis.llen("celery") == 2001


def test_results_come_in_the_order_of_the_calls(redis_app: Celery, redis: Redis) -> None:
    add = redis_app.tasks["many.add"]
    results = send_many(
        [
            add.s(1),
            (add, (2,)),
            ("many.add", (3,), {"y": 4}),
            (add, (5,), {}, {"task_id": "mine", "priority": 3}),
        ]
    )
    assert results[3].id == "mine"
    waiting = _headers(redis)
    assert [each["id"] for each in waiting] == [result.id for result in results[:3]]
    assert waiting[2]["argsrepr"] == "(3,)"
    assert waiting[2]["kwargsrepr"] == "{'y': 4}"
    assert redis.llen("celery\x06\x163") == 1


def test_what_raises_in_the_middle_leaves_nothing_sent(redis_app: Celery, redis: Redis) -> None:
    add, total = redis_app.tasks["many.add"], redis_app.tasks["many.total"]
    calls = [add.s(1), add.s(object()), add.s(2)]
    for send in (lambda: send_many(calls), group(calls).apply_async, chord(calls, total.s()).apply_async):
        with pytest.raises(Exception, match="not JSON serializable"):
            send()
    assert redis.llen("celery") == 0


def test_signals_of_a_batch_tell_of_each_task_once_it_is_sent(redis_app: Celery, redis: Redis) -> None:
    add = redis_app.tasks["many.add"]
    add.delay(0)
    told: list[tuple[str, int]] = []

    def before(**_: Any) -> None:
        told.append(("before", redis.llen("celery")))

    def after(**_: Any) -> None:
        told.append(("after", redis.llen("celery")))

    signals.before_task_publish.connect(before)
    signals.after_task_publish.connect(after)
    try:
        group(add.s(i) for i in range(3)).apply_async()
    finally:
        signals.before_task_publish.disconnect(before)
        signals.after_task_publish.disconnect(after)
    assert told == [("before", 1)] * 3 + [("after", 4)] * 3


def test_a_group_sent_by_the_callers_own_producer_is_sent_when_it_returns(
    redis_app: Celery, redis: Redis
) -> None:
    add = redis_app.tasks["many.add"]
    with redis_app.producer_or_acquire() as producer:
        group(add.s(i) for i in range(3)).apply_async(producer=producer)
        assert redis.llen("celery") == 3
        add.apply_async((4,), producer=producer)
        assert redis.llen("celery") == 4


def test_a_group_keeps_few_objects_for_each_of_its_tasks(redis_app: Celery, redis: Redis) -> None:
    add = redis_app.tasks["many.add"]
    group(add.s(i) for i in range(10)).apply_async()
    counted: list[int] = []
    deliver = Producer.deliver_steps

    def count(producer: Producer, *step: Any) -> None:
        gc.collect()
        counted.append(len(gc.get_objects()))
        deliver(producer, *step)

    gc.collect()
    before = len(gc.get_objects())
    with mock.patch.object(Producer, "deliver_steps", count):
        result = group(add.s(i) for i in range(1000)).apply_async()
    # The collector's work in a large group is these, three times over. Stock Celery's part alone is 18.
    assert (counted[0] - before) / 1000 < 9
    gc.collect()
    assert (len(gc.get_objects()) - before) / 1000 < 4
    assert len(result) == 1000


def test_nobody_subscribes_to_a_result_before_somebody_waits(redis_app: Celery, redis: Redis) -> None:
    add = redis_app.tasks["many.add"]
    redis.config_resetstat()
    results = group(add.s(i) for i in range(100)).apply_async()
    add.delay(1)
    assert "cmdstat_subscribe" not in redis.info("commandstats")
    for result in results:
        redis_app.backend.store_result(result.id, 1, "SUCCESS")
    assert results.get(timeout=60) == [1] * 100


def test_a_stock_worker_could_read_what_a_group_sends(redis_app: Celery, redis: Redis) -> None:
    add = redis_app.tasks["many.add"]
    stock = Celery("stock", broker=redis_app.conf.broker_url, set_as_current=False)
    sent = group(add.s(i) for i in range(3)).apply_async()
    with stock.connection_for_read() as connection:
        queue = connection.SimpleQueue("celery")
        payloads = [queue.get(timeout=30).payload for _ in range(3)]
        queue.close()
    assert [args for args, *_ in payloads] == [[0], [1], [2]]
    assert b64decode("") == b""
    assert len(sent) == 3


@pytest.mark.parametrize("broker", ["redis", "sqlite"])
def test_a_batch_that_does_not_fit_is_refused_whole(
    broker: str, redis_server: Any, redis: Redis, tmp_path: Path
) -> None:
    url = redis_server.database(6) if broker == "redis" else "sqlite:///broker.db"
    app = _app(url, tmp_path, queues={"small": Queue(max_length=5, when_full="reject")})
    add = app.tasks["many.add"]
    send_many(add.s(i) for i in range(3))
    with pytest.raises(QueueFull, match='queue "small" is full'):
        send_many(add.s(i) for i in range(3))
    with app.connection_for_read() as connection:
        assert connection.default_channel.queue_declare("small", passive=True).message_count == 3


def test_a_file_takes_a_batch_in_one_transaction(tmp_path: Path) -> None:
    app = _app("sqlite:///broker.db", tmp_path)
    add = app.tasks["many.add"]
    results = group(add.s(i) for i in range(500)).apply_async()
    with app.connection_for_read() as connection:
        assert connection.default_channel.queue_declare("celery", passive=True).message_count == 500
    assert len(results) == 500
