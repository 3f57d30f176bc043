"""The ways to a Redis: a Unix socket, a user with few rights, TLS, Sentinels and their failover."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu import Connection, Queue
from redis import Redis, RedisError
from redis.sentinel import MasterNotFoundError, Sentinel

import celeriac
from celeriac.backends.redis.backend import SentinelBackend
from celeriac.errors import BrokerUnavailable
from celeriac.transports.redis.keys import Keys
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


class Watched:
    """Two servers, one the other's replica, and the Sentinel that watches them.

    url: of the Sentinel.
    """

    def __init__(self, port: int, servers: list[FaultyRedis]) -> None:
        self.url = f"sentinel://127.0.0.1:{port}/0"
        self._servers = {server.port: server for server in servers}
        self._asked = Sentinel([("127.0.0.1", port)], socket_timeout=1.0)

    @property
    def master(self) -> FaultyRedis:
        """The one that leads now, as the Sentinel has it."""
        return self._servers[self._asked.discover_master("shop")[1]]

    def has_replica(self) -> bool:
        """Say whether a replica follows, so that the next failover finds one."""
        try:
            return bool(self._asked.discover_slaves("shop"))
        except (MasterNotFoundError, OSError, RedisError):
            return False


@pytest.fixture
def watched(tmp_path: Path, eventually: Callable[..., Any]) -> Iterator[Watched]:
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
            made = Watched(port, [master, replica])
            eventually(made.has_replica, within=60)
            yield made
        finally:
            process.kill()
            process.wait()


def test_a_failover_of_sentinels_ends_no_consumer(watched: Watched) -> None:
    got: list[str] = []
    url, master = watched.url, watched.master
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


@pytest.fixture
def deaf() -> Iterator[tuple[int, list[int]]]:
    """A port whose connections end at once, with the times that somebody tried."""
    tried: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            with suppress(OSError):
                while True:
                    caller, (_, port) = server.accept()
                    tried.append(port)
                    caller.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        yield server.getsockname()[1], tried
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_sentinel_that_is_down_is_asked_once_and_then_the_next(
    watched: Watched, deaf: tuple[int, list[int]]
) -> None:
    port, tried = deaf
    with connect(f"sentinel://127.0.0.1:{port}/0;{watched.url}", master_name="shop") as sender:
        sender.Producer().publish("hello", routing_key="jobs", declare=[JOBS])
    discoveries = len(tried)
    backend = SentinelBackend(
        app=Celery(set_as_current=False),
        url=f"sentinel://127.0.0.1:{port}/0;{watched.url}",
    )
    backend.app.conf.result_backend_transport_options = {"master_name": "shop"}
    backend.store_result("a", 1, "SUCCESS")
    assert backend.get_result("a") == 1
    assert 1 <= discoveries <= 2  # the sending connection; a second one where the first is in use
    assert 1 <= len(tried) - discoveries <= 2


@pytest.mark.parametrize("fault", ["the master is killed", "the master stands still"])
@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])])
def test_what_failovers_lose_is_counted_and_ends_nobody(
    fault: str,
    rounds: int,
    watched: Watched,
    eventually: Callable[..., Any],
    record_property: Callable[[str, object], None],
) -> None:
    """Redis replicates asynchronously: what it confirmed just before may be lost, and no client can help it."""
    options = {"master_name": "shop", "lease": 2, "socket_timeout": 1.0, "socket_connect_timeout": 1.0}
    accepted: dict[str, float] = {}
    got: Counter[str] = Counter()
    enough = threading.Event()

    def send() -> None:
        number = 0
        with connect(watched.url, **options) as sender:
            while not enough.wait(0.005):
                number += 1
                try:
                    sender.Producer().publish(str(number), routing_key="jobs", declare=[JOBS], retry=False)
                except Exception:  # the new master is not found yet
                    continue
                accepted[str(number)] = time.monotonic()

    def take(said: str, message: Any) -> None:
        got[said] += 1
        message.ack()

    sending = threading.Thread(target=send)
    faults: list[tuple[float, float]] = []
    with connect(watched.url, **options) as connection, connection.Consumer([JOBS], callbacks=[take]):

        def drain(until: Callable[[], bool]) -> None:
            deadline = time.monotonic() + 60
            while not until():
                assert time.monotonic() < deadline
                try:
                    connection.drain_events(timeout=0.2)
                except TimeoutError:
                    continue

        sending.start()
        for _ in range(rounds):
            seen = len(got)
            drain(lambda seen=seen: len(got) > seen + 50)
            eventually(watched.has_replica, within=60)
            master = watched.master
            began = time.monotonic()
            if fault == "the master is killed":
                master.kill()
            else:
                os.kill(master.pid, signal.SIGSTOP)
            drain(lambda master=master: _leads_another(watched, master))
            promoted = time.monotonic()
            if fault == "the master is killed":
                master.start()
            else:
                os.kill(master.pid, signal.SIGCONT)
            drain(lambda since=promoted: any(accepted[key] > since for key in tuple(got) if key in accepted))
            # Until it has been told to follow, the old master may take messages that nobody will see.
            eventually(lambda master=master: _follows(master), within=60)
            faults.append((began, time.monotonic()))
        enough.set()
        sending.join()
        last = max(accepted, key=lambda key: accepted[key])
        drain(lambda: last in got)
        drain(lambda: _is_empty(watched))
    lost = sorted(set(accepted) - set(got))
    outside = [key for key in lost if not any(a - 1 < accepted[key] <= b + 1 for a, b in faults)]
    assert outside == [], "what was confirmed a second before a failover, or after it, is not lost"
    figures = {
        "failovers": rounds,
        "accepted": len(accepted),
        "lost": len(lost),
        "run_again": sum(count - 1 for count in got.values()),
        "longest_failover_s": round(max(b - a for a, b in faults), 1),
    }
    for figure, value in figures.items():
        record_property(figure, value)


def _leads_another(watched: Watched, master: FaultyRedis) -> bool:
    try:
        return watched.master is not master
    except (RedisError, OSError):
        return False


def _follows(server: FaultyRedis) -> bool:
    try:
        with Redis.from_url(server.url, socket_timeout=1.0) as client:
            return client.info("replication")["role"] == "slave"
    except (RedisError, OSError):
        return False


def _is_empty(watched: Watched) -> bool:
    with Redis.from_url(watched.master.url) as client:
        return not any(client.llen(key) for key in Keys().lists("jobs"))
