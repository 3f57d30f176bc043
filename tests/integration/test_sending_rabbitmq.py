"""Sending to a real RabbitMQ: confirmed, in batches, and with bounds that refuse aloud."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery, group

from celeriac import NotSent, PartlySent, Plan, Queue, create_app, send_many
from celeriac.errors import QueueFull
from celeriac.plan import Sending, Spool
from celeriac.tasks.sending.amqp import spool_at
from celeriac.tasks.sending.draining import drain, sender_of


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread drains: the test does."""
    monkeypatch.setattr("celeriac.tasks.sending.draining._EVERY_S", 3600.0)


@pytest.fixture
def name() -> str:
    return f"q-{uuid4().hex[:8]}"


@pytest.fixture
def make(rabbitmq_server: Any, name: str, tmp_path: Path) -> Iterator[Any]:
    made: list[Celery] = []

    def make(**plan: Any) -> Celery:
        plan.setdefault("queues", {name: Queue()})
        app = create_app(
            Plan(
                name="rabbits",
                broker=rabbitmq_server.url,
                results="cache+memory://",
                folder=tmp_path,
                **plan,
            )
        )
        made.append(app)

        @app.task(name="rabbits.add", shared=False)
        def add(x: int = 0) -> int:
            return x

        return app

    yield make
    for app in made:
        with app.connection_for_write() as connection:
            connection.default_channel.queue_delete(name)


def _waits(app: Celery, queue: str) -> int:
    with app.connection_for_read() as connection:
        return int(connection.default_channel.queue_declare(queue, passive=True).message_count)


def test_single_sends_are_confirmed(make: Any, name: str) -> None:
    app = make()
    app.tasks["rabbits.add"].delay(1)
    with app.producer_or_acquire() as producer:
        assert producer.channel.connection.confirm_publish
    assert _waits(app, name) == 1


def test_a_batch_is_confirmed_whole(make: Any, name: str) -> None:
    app = make()
    add = app.tasks["rabbits.add"]
    results = send_many(add.s(i) for i in range(1500))
    group(add.s(i) for i in range(500)).apply_async()
    assert len(results) == 1500
    assert _waits(app, name) == 2000
    with app.connection_for_read() as connection:
        queue = connection.SimpleQueue(app.amqp.queues[name])
        assert queue.get(timeout=30).headers["id"] == results[0].id
        queue.close()


def test_a_full_queue_that_rejects_says_so(make: Any, name: str) -> None:
    app = make(queues={name: Queue(max_length=3, when_full="reject")})
    add = app.tasks["rabbits.add"]
    for i in range(3):
        add.delay(i)
    with pytest.raises(QueueFull) as raised:
        add.delay()
    assert raised.value.queue == name
    assert _waits(app, name) == 3


def test_a_batch_of_which_some_were_refused_names_them(make: Any, name: str) -> None:
    app = make(queues={name: Queue(max_length=3, when_full="reject")})
    add = app.tasks["rabbits.add"]
    with pytest.raises(PartlySent) as raised:
        send_many(add.s(i) for i in range(5))
    assert len(raised.value.sent) == _waits(app, name)
    assert len(raised.value.sent) + len(raised.value.unsent) == 5


def test_a_full_queue_that_blocks_is_waited_for(make: Any, name: str) -> None:
    from datetime import timedelta

    sending = Sending(deadline=timedelta(seconds=1))
    app = make(queues={name: Queue(max_length=1)}, sending=sending)
    add = app.tasks["rabbits.add"]
    add.delay()
    began = time.monotonic()
    with pytest.raises(QueueFull):
        add.delay()
    assert time.monotonic() - began >= 1.0


def test_a_full_queue_that_spools_is_drained_later(by_hand: None, make: Any, name: str) -> None:
    app = make(queues={name: Queue(max_length=2, when_full="spool")}, sending=Sending(spool=Spool()))
    add = app.tasks["rabbits.add"]
    for i in range(4):
        add.delay(i)
    send_many(add.s(i) for i in range(2))
    spool = spool_at(app.celeriac.plan)
    assert spool is not None
    assert spool.standing().tasks == 4
    with app.connection_for_write() as connection:
        connection.default_channel.queue_purge(name)
    assert drain(spool, sender_of(app)) == 2
    assert (_waits(app, name), spool.standing().tasks) == (2, 2)


def test_a_task_for_a_queue_that_has_gone_is_not_lost_silently(make: Any, name: str) -> None:
    app = make()
    add = app.tasks["rabbits.add"]
    add.delay()
    with app.connection_for_write() as connection:
        connection.default_channel.queue_delete(name)
    add.delay()
    assert _waits(app, name) == 1


def test_kept_tasks_reach_rabbitmq_without_marks_of_ours(
    by_hand: None, make: Any, name: str, tmp_path: Path
) -> None:
    app = make(sending=Sending(spool=Spool()))
    away = create_app(
        Plan(
            name="rabbits",
            broker="amqp://127.0.0.1:1//",
            results="cache+memory://",
            folder=tmp_path,
            queues={name: Queue()},
            sending=Sending(spool=Spool()),
        )
    )

    @away.task(name="rabbits.add", shared=False)
    def add(x: int = 0) -> int:
        return x

    kept = [add.delay(i).id for i in range(3)]
    spool = spool_at(app.celeriac.plan)
    assert spool is not None
    assert drain(spool, sender_of(app)) == 3
    with app.connection_for_read() as connection:
        queue = connection.SimpleQueue(app.amqp.queues[name])
        messages = [queue.get(timeout=30) for _ in kept]
        queue.close()
    assert [each.headers["id"] for each in messages] == kept
    assert not [header for each in messages for header in each.headers if header.startswith("celeriac-once")]


def test_a_broker_killed_between_sends_is_an_error_of_its_own(tmp_path: Path) -> None:
    app = create_app(
        Plan(name="none", broker="amqp://127.0.0.1:1//", results="cache+memory://", folder=tmp_path)
    )

    @app.task(name="none.add", shared=False)
    def add() -> None: ...

    with pytest.raises(NotSent):
        send_many(add.s() for _ in range(3))
