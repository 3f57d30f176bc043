"""The bell of a consumer on Redis: it rings for what came, and for nothing else."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from typing import Any

import pytest
from kombu import Connection, Queue
from kombu.asynchronous import Hub

from celeriac.transports.redis.location import locate
from celeriac.transports.redis.scripts import FETCH
from servers.redis_server import RedisServer

JOBS = Queue("jobs", routing_key="jobs")


@pytest.fixture
def connection(redis_server: RedisServer) -> Iterator[Connection]:
    redis_server.flush()
    located = locate(redis_server.url)
    assert located is not None
    with Connection(located.url, transport=located.transport) as connection:
        yield connection


def _drained(connection: Connection) -> None:
    with pytest.raises(TimeoutError):
        connection.drain_events(timeout=0.1)


def test_a_bell_rings_for_its_queue_and_not_for_the_leases_of_others(connection: Connection) -> None:
    with (
        connection.Consumer([JOBS], callbacks=[lambda said, message: message.ack()]),
        connection.clone() as other,
        other.Consumer([JOBS], callbacks=[lambda said, message: message.ack()]),
    ):
        _drained(connection)
        bell = connection.default_channel.connection.lease.bell
        bell.silence()
        lease = other.default_channel.connection.lease
        renewed = lease._renewed_at
        deadline = time.monotonic() + 60
        while lease._renewed_at == renewed and time.monotonic() < deadline:
            time.sleep(0.01)
        assert lease._renewed_at > renewed
        connection.clone().Producer().publish("hello", routing_key="jobs", declare=[JOBS])
        assert select.select([bell.fileno()], [], [], 60.0)[0]
        said = bell._hung._sock.recv(65536)
        assert said.count(b"invalidate") == 1
        assert said.endswith(b"$4\r\njobs\r\n")


def test_a_loop_asks_twice_for_a_message_that_comes_alone(connection: Connection) -> None:
    got: list[Any] = []

    def take(said: Any, message: Any) -> None:
        got.append(said)
        message.ack()

    hub = Hub()
    try:
        with connection.Consumer([JOBS], callbacks=[take]), connection.clone() as sending:
            connection.register_with_event_loop(hub)
            lease = connection.default_channel.connection.lease
            looks: list[float] = []
            run = lease.line.run

            def counted(script: Any, *arguments: Any, **options: Any) -> Any:
                if script is FETCH:
                    looks.append(time.monotonic())
                return run(script, *arguments, **options)

            lease.line.run = counted
            started = time.monotonic()
            for number in range(20):
                sending.Producer().publish(number, routing_key="jobs", declare=[JOBS])
                # To be rung and go to sleep again takes a loop more than one turn.
                turns = 0
                while turns < 4:
                    hub.timer.call_after(0.02, lambda: None)
                    hub.run_once()
                    turns += len(got) > number
                    assert time.monotonic() < started + 60
            # Beside those, it looks at its queues about once a second.
            assert len(looks) <= 2 * 20 + 2 * (time.monotonic() - started) + 2
            assert got == list(range(20))
    finally:
        hub.close()


def test_a_loop_that_is_rung_may_still_be_told_to_stop_before_it_delivers(connection: Connection) -> None:
    got: list[Any] = []
    hub = Hub()
    try:
        with (
            connection.Consumer([JOBS], callbacks=[lambda said, message: got.append(said)]),
            connection.clone() as sending,
        ):
            connection.register_with_event_loop(hub)
            for _ in range(4):
                hub.timer.call_after(0.02, lambda: None)
                hub.run_once()
            # It does not look by itself: only the bell brings it the message.
            connection.default_channel._delivery._looked_at = time.monotonic() + 3600
            sending.Producer().publish("hello", routing_key="jobs", declare=[JOBS])
            assert select.select([connection.transport.lease.bell.fileno()], [], [], 60.0)[0]
            hub.run_once()
            assert got == []
            hub.run_once()
            assert got == ["hello"]
    finally:
        hub.close()
