"""A broker that is away: sending ends in time, says so, or keeps the task on disk until the broker takes it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, chord, group
from kombu.exceptions import OperationalError
from redis import Redis

from celeriac import NotSent, PartlySent, Plan, Queue, create_app, send_many
from celeriac.errors import QueueFull
from celeriac.plan import Sending, Spool
from celeriac.tasks.sending.amqp import spool_at
from celeriac.tasks.sending.draining import drain, sender_of
from servers.project import PLAN
from servers.redis_faults import FaultyRedis

DEADLINE_S = 3.0
#: what a busy machine may add
SLACK_S = 20.0


def _app(broker: str, folder: Path, *, spool: Spool | None = None, **plan: Any) -> Celery:
    from datetime import timedelta

    sending = Sending(deadline=timedelta(seconds=DEADLINE_S), spool=spool)
    app = create_app(
        Plan(name="away", broker=broker, results="cache+memory://", folder=folder, sending=sending, **plan)
    )

    @app.task(name="away.add", shared=False)
    def add(x: int = 0, y: int = 0) -> int:
        return x + y

    return app


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread drains: the test does."""
    monkeypatch.setattr("celeriac.tasks.sending.draining._EVERY_S", 3600.0)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FaultyRedis]:
    folder = tmp_path / "redis"
    folder.mkdir()
    try:
        faulty = FaultyRedis(folder)
    except FileNotFoundError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))
    yield faulty
    faulty.kill()


def _waiting(server: FaultyRedis) -> list[str]:
    """Ids of what waits, oldest first."""
    with Redis.from_url(server.url) as client:
        return [json.loads(raw)["headers"]["id"] for raw in reversed(client.lrange("celery", 0, -1))]


def _kept(app: Celery) -> int:
    spool = spool_at(app.celeriac.plan)  # type: ignore[attr-defined]
    assert spool is not None
    return spool.standing().tasks


@pytest.mark.parametrize("broker", ["redis://:secret@127.0.0.1:1/0", "amqp://me:secret@127.0.0.1:1//"])
def test_a_broker_that_is_not_there_is_an_error_that_says_what_where_and_what_to_do(
    broker: str, tmp_path: Path
) -> None:
    app = _app(broker, tmp_path)
    began = time.monotonic()
    with pytest.raises(NotSent) as raised:
        app.tasks["away.add"].delay()
    assert time.monotonic() - began < DEADLINE_S + SLACK_S
    said = str(raised.value)
    assert isinstance(raised.value, OperationalError)  # what Celery's callers catch
    assert raised.value.code == "SEND-001"
    assert '"celery"' in said
    assert "away.add[" in said
    assert "127.0.0.1:1" in said
    assert "Nothing was sent" in said
    assert "secret" not in said


def test_a_frozen_server_holds_a_sender_up_for_the_deadline_at_most(
    server: FaultyRedis, tmp_path: Path
) -> None:
    app = _app(server.url, tmp_path)
    add = app.tasks["away.add"]
    first = add.delay()
    with server.frozen():
        began = time.monotonic()
        with pytest.raises(NotSent, match="may have taken"):
            add.delay()
        assert time.monotonic() - began < DEADLINE_S + 1.0
    last = add.delay()
    assert {first.id, last.id} <= set(_waiting(server))


def test_a_send_outlasts_a_short_outage(server: FaultyRedis, tmp_path: Path) -> None:
    app = _app(server.url, tmp_path)
    add = app.tasks["away.add"]
    add.delay()
    server.kill()
    server.start()
    add.delay()
    assert len(_waiting(server)) == 2


def test_a_locked_file_holds_a_sender_up_for_the_deadline_at_most(tmp_path: Path) -> None:
    app = _app("sqlite:///broker.db", tmp_path)
    add = app.tasks["away.add"]
    add.delay()
    lock = sqlite3.connect(tmp_path / "broker.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(NotSent, match="locked"):
        add.delay()
    assert time.monotonic() - began < DEADLINE_S + 2.0
    lock.execute("ROLLBACK")
    lock.close()
    add.delay()


def test_a_full_queue_that_blocks_is_waited_for_until_the_deadline(tmp_path: Path) -> None:
    app = _app("sqlite:///broker.db", tmp_path, queues={"small": Queue(max_length=1)})
    add = app.tasks["away.add"]
    add.delay()
    began = time.monotonic()
    with pytest.raises(QueueFull):
        add.delay()
    assert DEADLINE_S <= time.monotonic() - began < DEADLINE_S + SLACK_S


def test_kept_tasks_are_sent_on_in_order_once_the_broker_is_back(
    server: FaultyRedis, tmp_path: Path, eventually: Callable[..., object]
) -> None:
    app = _app(server.url, tmp_path, spool=Spool())
    add = app.tasks["away.add"]
    ids = [add.delay().id]
    server.kill()
    ids += [add.delay(i).id for i in range(5)]
    ids += [result.id for result in send_many(add.s(i) for i in range(20))]
    ids += [result.id for result in group(add.s(i) for i in range(20)).apply_async()]
    assert _kept(app) == 45
    server.start()
    eventually(lambda: _kept(app) == 0, within=60)
    assert _waiting(server) == ids


def test_a_task_whose_reply_was_lost_is_not_doubled_by_the_spool(
    server: FaultyRedis, tmp_path: Path, eventually: Callable[..., object]
) -> None:
    app = _app(server.url, tmp_path, spool=Spool())
    add = app.tasks["away.add"]
    add.delay()
    with server.frozen():
        # It is in the server's socket, which reads it when it thaws; nobody knows that yet.
        late = add.delay().id
        assert _kept(app) == 1
    eventually(lambda: _kept(app) == 0, within=60)
    assert _waiting(server).count(late) == 1


def test_a_full_spool_refuses_with_its_size(tmp_path: Path) -> None:
    app = _app("redis://127.0.0.1:1/0", tmp_path, spool=Spool(max_size=4096))
    add = app.tasks["away.add"]
    with pytest.raises(NotSent) as raised:
        for _ in range(10):
            add.delay()
    assert raised.value.code == "SEND-003"
    assert "of 4096 bytes" in str(raised.value)
    assert 1 <= _kept(app) <= 4


def test_a_file_that_is_no_spool_is_left_as_it_was(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE mine (x)")
    other.commit()
    other.close()
    app = _app("redis://127.0.0.1:1/0", tmp_path, spool=Spool(path="other.db"))
    with pytest.raises(NotSent, match="not a spool") as raised:
        app.tasks["away.add"].delay()
    assert raised.value.code == "SEND-004"
    assert sqlite3.connect(tmp_path / "other.db").execute("SELECT name FROM sqlite_master").fetchall() == [
        ("mine",)
    ]


def test_what_follows_from_a_running_task_is_not_kept_on_a_workers_disk(tmp_path: Path) -> None:
    app = _app("redis://127.0.0.1:1/0", tmp_path, spool=Spool())
    with pytest.raises(NotSent):
        app.tasks["away.add"].apply_async(retries=1)
    assert _kept(app) == 0


def test_a_command_that_cannot_be_sent_is_said_as_kombu_says_it(tmp_path: Path) -> None:
    app = _app("redis://127.0.0.1:1/0", tmp_path, spool=Spool())
    with pytest.raises(OperationalError) as raised:
        app.control.broadcast("ping")
    assert not isinstance(raised.value, NotSent)
    assert _kept(app) == 0


def _cut_off(app: Celery, count: int) -> None:
    """Keep tasks in the spool, as if the broker were away."""
    spool = spool_at(app.celeriac.plan)  # type: ignore[attr-defined]
    elsewhere = _app("redis://127.0.0.1:1/0", app.celeriac.plan.folder, spool=Spool())  # type: ignore[attr-defined]
    for i in range(count):
        elsewhere.tasks["away.add"].delay(i)
    assert spool is not None


def test_a_bad_record_is_set_aside_and_holds_up_nobody(
    by_hand: None, server: FaultyRedis, tmp_path: Path, eventually: Callable[..., object]
) -> None:
    app = _app(server.url, tmp_path, spool=Spool())
    _cut_off(app, 3)
    spool = spool_at(app.celeriac.plan)  # type: ignore[attr-defined]
    assert spool is not None
    with sqlite3.connect(spool.path) as db:
        db.execute("UPDATE records SET payload = x'00ff' WHERE id = 2")
    drain(spool, sender_of(app))
    assert len(_waiting(server)) == 2
    assert spool.standing().aside == 1
    assert "cannot be read" in spool.aside()[0][1]


def test_one_process_drains_at_a_time(by_hand: None, server: FaultyRedis, tmp_path: Path) -> None:
    app = _app(server.url, tmp_path, spool=Spool())
    _cut_off(app, 3)
    spool = spool_at(app.celeriac.plan)  # type: ignore[attr-defined]
    assert spool is not None
    with spool.draining() as is_mine:
        assert is_mine
        assert drain(spool, sender_of(app)) == 0
    assert drain(spool, sender_of(app)) == 3


DRAIN_AND_DIE = """
import os, signal, sys
from celeriac import create_app, Plan
from celeriac.plan import Sending, Spool
from celeriac.tasks.sending.amqp import spool_at
from celeriac.tasks.sending.draining import drain, sender_of
from pathlib import Path

plan = Plan(name="away", broker=sys.argv[1], folder=Path(sys.argv[2]), sending=Sending(spool=Spool()))
app, spool = create_app(plan), spool_at(plan)
spool.remove = lambda numbers: os.kill(os.getpid(), signal.SIGKILL)
drain(spool, sender_of(app))
"""


@pytest.mark.parametrize("kind", ["redis", "sqlite"])
def test_a_drainer_killed_after_sending_doubles_nothing(
    by_hand: None, kind: str, server: FaultyRedis, tmp_path: Path
) -> None:
    broker = server.url if kind == "redis" else f"sqlite:///{tmp_path}/broker.db"
    app = _app(broker, tmp_path, spool=Spool())
    _cut_off(app, 4)
    killed = subprocess.run(
        [sys.executable, "-c", DRAIN_AND_DIE, broker, str(tmp_path)], check=False, timeout=100
    )
    assert killed.returncode == -signal.SIGKILL
    spool = spool_at(app.celeriac.plan)  # type: ignore[attr-defined]
    assert spool is not None
    assert drain(spool, sender_of(app)) == 4
    with app.connection_for_read() as connection:
        assert connection.default_channel.queue_declare("celery", passive=True).message_count == 4


@pytest.mark.parametrize("kind", ["redis", "sqlite"])
def test_a_full_queue_that_spools_takes_its_tasks_when_there_is_room(
    by_hand: None, kind: str, server: FaultyRedis, tmp_path: Path
) -> None:
    broker = server.url if kind == "redis" else f"sqlite:///{tmp_path}/broker.db"
    queues = {"small": Queue(max_length=2, when_full="spool"), "other": Queue()}
    app = _app(broker, tmp_path, spool=Spool(), queues=queues)
    add = app.tasks["away.add"]
    for i in range(5):
        add.delay(i)
    send_many([add.s(5), add.s(6).set(queue="other")])
    spool = spool_at(app.celeriac.plan)  # type: ignore[attr-defined]
    assert spool is not None
    send = sender_of(app)

    def waits(queue: str) -> int:
        with app.connection_for_read() as connection:
            return connection.default_channel.queue_declare(queue, passive=True).message_count

    assert waits("small") == 2
    assert waits("other") == 1
    assert spool.standing().tasks == 4
    assert drain(spool, send) == 0
    app.control.purge()
    with app.connection_for_write() as connection:
        connection.default_channel.queue_purge("small")
    drain(spool, send)
    assert waits("small") == 2
    assert spool.standing().tasks == 2


def test_a_chord_of_which_parts_cannot_be_sent_fails_instead_of_waiting_for_ever(
    server: FaultyRedis, tmp_path: Path
) -> None:
    app = create_app(
        Plan(
            name="away",
            broker=server.url,
            results=f"sqlite:///{tmp_path}/results.db",
            folder=tmp_path,
            queues={"default": Queue(max_length=1500, when_full="reject")},
        )
    )
    app.set_current()

    @app.task(name="away.part", shared=False)
    def part(x: int) -> int:
        return x

    @app.task(name="away.body", shared=False)
    def body(values: list[int]) -> int:
        return sum(values)

    with pytest.raises(PartlySent) as raised:
        chord([part.s(i) for i in range(2000)], body.s().set(task_id="the-body")).apply_async(
            task_id="the-body"
        )
    assert len(raised.value.sent) == 1000
    assert len(raised.value.unsent) == 1000
    assert app.AsyncResult("the-body").state == "FAILURE"


def test_a_worker_sends_on_what_a_sender_that_has_ended_left(
    by_hand: None, project: Callable[..., Any], eventually: Callable[..., object]
) -> None:
    made = project(plan=f"{PLAN}\n[sending.spool]\n")
    folder = made.folder
    sender = create_app(
        Plan(
            name="gone",
            broker="redis://127.0.0.1:1/0",
            results="cache+memory://",
            folder=folder,
            queues={"default": Queue()},
            sending=Sending(spool=Spool()),
        )
    )
    sender.send_task("shop.add", (1, 2))
    assert _kept(sender) == 1
    worker = made.start_celeriac("worker", "web")
    worker.wait_for_log("tasks sent on from the spool")
    assert _kept(sender) == 0
