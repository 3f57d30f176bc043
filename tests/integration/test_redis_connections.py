"""The ways to a Redis: a Unix socket, a user with few rights, TLS, Sentinels and their failover."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu import Connection, Queue
from redis import Redis
from redis.sentinel import MasterNotFoundError, Sentinel

import celeriac
from celeriac.errors import BrokerUnavailable
from celeriac.transports.redis.location import locate
from servers.redis_faults import FaultyRedis
from servers.redis_server import free_port

JOBS = Queue("jobs", routing_key="jobs")
#: what docs/how-to/redis.md says a user must be allowed
RIGHTS = "~* &* +@read +@write +@pubsub +@scripting +@transaction +@connection +time"


@contextmanager
def started(folder: Path, *options: str) -> Iterator[FaultyRedis]:
    folder.mkdir()
    try:
        server = FaultyRedis(folder, *options)
    except FileNotFoundError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))
    try:
        yield server
    finally:
        server.kill()


def connect(url: str, **options: Any) -> Connection:
    located = locate(url)
    assert located is not None
    return Connection(located.url, transport=located.transport, transport_options=options)


def goes_through(connection: Connection, body: str, within: float = 60.0) -> None:
    """Send a message, and have it delivered by the idle path."""
    got: list[str] = []
    consumer = connection.Consumer(
        [JOBS], callbacks=[lambda said, message: (got.append(said), message.ack())]
    )
    with consumer:
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=0.1)
        connection.clone().Producer().publish(body, routing_key="jobs", declare=[JOBS])
        deadline = time.monotonic() + within
        while body not in got and time.monotonic() < deadline:
            try:
                connection.drain_events(timeout=0.5)
            except TimeoutError:
                continue
    assert body in got


def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "server" / "redis.sock"
    with (
        started(tmp_path / "server", "--unixsocket", str(path)),
        connect(f"redis+socket://{path}") as connection,
    ):
        goes_through(connection, "by a socket")


def test_a_plan_with_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "server" / "redis.sock"
    with started(tmp_path / "server", "--unixsocket", str(path)):
        plan = celeriac.Plan(broker=f"redis+socket://{path}", folder=tmp_path)
        app = celeriac.adopt(Celery("t", set_as_current=False), plan)
        app.send_task("anything")
        with Redis(unix_socket_path=str(path)) as client:
            assert client.llen("celery") == 1


def test_a_user_that_may_do_no_more_than_the_page_says(tmp_path: Path) -> None:
    with started(tmp_path / "server") as server:
        with Redis.from_url(server.url) as client:
            client.execute_command("ACL", "SETUSER", "shop", "on", ">secret", *RIGHTS.split())
        with connect(f"redis://shop:secret@127.0.0.1:{server.port}/0") as connection:
            goes_through(connection, "by a user of its own")
            assert connection.default_channel.connection.lease.bell.rings


def test_a_user_that_may_not_be_told_of_changes_looks_by_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with started(tmp_path / "server") as server:
        with Redis.from_url(server.url) as client:
            client.execute_command(
                "ACL", "SETUSER", "shop", "on", ">secret", *RIGHTS.split(), "-client|tracking"
            )
        with connect(f"redis://shop:secret@127.0.0.1:{server.port}/0") as connection:
            goes_through(connection, "found by looking", within=60.0)
        assert any(record.event == "broker.no_bell" for record in caplog.records if hasattr(record, "event"))


def test_a_wrong_password_is_said(tmp_path: Path) -> None:
    with started(tmp_path / "server") as server:
        with Redis.from_url(server.url) as client:
            client.config_set("requirepass", "right")
        connection = connect(f"redis://:wrong@127.0.0.1:{server.port}/0")
        with pytest.raises(Exception, match=r"(?i)invalid (username|password)|WRONGPASS"):
            connection.connect()
        connection.release()


def test_a_user_that_may_not_run_scripts_is_told_what_it_needs(tmp_path: Path) -> None:
    with started(tmp_path / "server") as server:
        with Redis.from_url(server.url) as client:
            client.execute_command("ACL", "SETUSER", "shop", "on", ">secret", *RIGHTS.split(), "-@scripting")
        with (
            connect(f"redis://shop:secret@127.0.0.1:{server.port}/0") as connection,
            pytest.raises(BrokerUnavailable, match=r"BROKER-032 Redis refuses this user"),
        ):
            connection.default_channel.queue_declare("jobs")


@pytest.fixture
def sentinel(tmp_path: Path) -> Iterator[tuple[str, FaultyRedis, int]]:
    """The URL of a Sentinel, its master, and its port."""
    with started(tmp_path / "master") as master, started(tmp_path / "replica") as replica:
        with Redis.from_url(replica.url) as client:
            client.replicaof("127.0.0.1", master.port)
        port = free_port()
        folder = tmp_path / "sentinel"
        folder.mkdir()
        (folder / "sentinel.conf").write_text(
            f"port {port}\nbind 127.0.0.1\ndir {folder}\nsentinel monitor shop 127.0.0.1 {master.port} 1\n"
            "sentinel down-after-milliseconds shop 1000\nsentinel failover-timeout shop 3000\n"
        )
        program = shutil.which("redis-server")
        assert program is not None
        process = subprocess.Popen(
            [program, str(folder / "sentinel.conf"), "--sentinel", "--logfile", str(folder / "log")],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield f"sentinel://127.0.0.1:{port}/0", master, port
        finally:
            process.kill()
            process.wait()


def test_a_failover_of_sentinels_ends_no_consumer(
    sentinel: tuple[str, FaultyRedis, int], eventually: Callable[..., Any]
) -> None:
    url, master, port = sentinel
    asked = Sentinel([("127.0.0.1", port)], socket_timeout=1.0)

    def replicas() -> bool:
        try:
            return bool(asked.discover_slaves("shop"))
        except (MasterNotFoundError, OSError):
            return False

    eventually(replicas, within=60)
    got: list[str] = []
    with connect(url, master_name="shop", lease=2) as connection, connect(url, master_name="shop") as sender:
        consumer = connection.Consumer(
            [JOBS], callbacks=[lambda said, message: (got.append(said), message.ack())]
        )
        with consumer:

            def comes(body: str) -> None:
                deadline = time.monotonic() + 60
                sent = False
                while body not in got:
                    assert time.monotonic() < deadline
                    if not sent:
                        try:
                            sender.Producer().publish(body, routing_key="jobs", declare=[JOBS], retry=False)
                            sent = True
                        except Exception:  # the new master is not found yet
                            time.sleep(0.2)
                    try:
                        connection.drain_events(timeout=0.2)
                    except TimeoutError:
                        continue

            comes("before")
            master.kill()
            comes("after")
        master.start()
    assert got == ["before", "after"]
