"""How the task of a slot reaches a stock Redis broker: once, in the form that stock workers read."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from celery import Celery
from redis import Redis

import celeriac.schedule.sending as sending
from celeriac.plan import Schedule
from celeriac.schedule.declared import Declared
from celeriac.schedule.kinds import slots_of_plan
from celeriac.schedule.sending import Sender
from servers.redis_server import RedisServer

SLOT = 1_800_000_000.0


@pytest.fixture(params=["", "shop:"])
def app(request: pytest.FixtureRequest, redis_server: RedisServer) -> Iterator[Celery]:
    redis_server.flush()
    made = Celery("sending", broker=redis_server.database(6), set_as_current=False)
    made.conf.broker_transport_options = {"global_keyprefix": request.param} if request.param else {}
    made.conf.task_ignore_result = True

    @made.task(name="add", shared=False)
    def add(x: int, y: int) -> int:
        return x + y

    yield made
    made.close()


@pytest.fixture
def sender(app: Celery) -> Iterator[Sender]:
    made = Sender(app)
    yield made
    made.hang_up()


def declared(**options: Any) -> Declared:
    slots = slots_of_plan(Schedule(task="add", every=timedelta(seconds=1)))
    return Declared(name="sum", task="add", slots=slots, args=(1, 2), options=options)


def waiting(app: Celery) -> list[Any]:
    with app.connection() as connection:
        queue = connection.SimpleQueue("celery")
        found = []
        while True:
            try:
                found.append(queue.get(block=False))
            except queue.Empty:
                return found
            found[-1].ack()


def test_a_slot_is_stored_once_however_often_it_is_sent(app: Celery, sender: Sender) -> None:
    other = Sender(app)
    for each in (sender, other, sender):
        each.send(declared(), "id-1", SLOT, "schedule:1")
    sender.send(declared(), "id-2", SLOT + 1, "schedule:2")
    other.hang_up()
    found = waiting(app)
    assert sorted(message.headers["id"] for message in found) == ["id-1", "id-2"]
    assert {message.headers["celeriac-schedule"] for message in found} == {"sum"}
    assert "celeriac-once" not in found[0].headers
    assert found[0].payload[0] == [1, 2]
    assert sender.keeps_once


def test_what_has_no_key_is_stored_each_time(app: Celery, sender: Sender) -> None:
    for _ in range(2):
        sender.send(declared(), "id-1")
    assert len(waiting(app)) == 2


def test_a_priority_is_kept(app: Celery, sender: Sender, redis_server: RedisServer) -> None:
    sender.send(declared(priority=9), "id-1", SLOT, "schedule:1")
    prefix = app.conf.broker_transport_options.get("global_keyprefix", "")
    with Redis.from_url(redis_server.database(6)) as client:
        assert client.llen(f"{prefix}celery\x06\x169") == 1
    assert len(waiting(app)) == 1


def test_a_frozen_server_is_not_waited_for_without_end(
    app: Celery,
    sender: Sender,
    redis_server: RedisServer,
    eventually: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sending, "_STEP_TIMEOUT_S", 1.0)
    sender.send(declared(), "id-0", SLOT, "schedule:0")
    os.kill(redis_server.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(Exception, match=r"(?i)time"):
            sender.send(declared(), "id-1", SLOT + 1, "schedule:1")
        assert time.monotonic() - began < 3.0
    finally:
        os.kill(redis_server.pid, signal.SIGCONT)
    sender.hang_up()
    sender.send(declared(), "id-1", SLOT + 1, "schedule:1")
    # Whether the first try has come through in the end or not, it is there once.
    eventually(lambda: sorted(message.headers["id"] for message in waiting(app)) == ["id-0", "id-1"])
