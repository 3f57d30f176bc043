"""What the Redis broker survives: workers killed and stopped, a server killed, frozen and cut off, replies lost."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from kombu import Connection, Queue
from redis import Redis

from celeriac.errors import BrokerUnavailable
from celeriac.transports.redis.location import locate
from celeriac.transports.redis.view import RedisView
from celeriac.transports.view import QueueState
from servers.project import Project, Running
from servers.redis_faults import FaultyRedis, Proxy

TRANSPORT = "celeriac.transports.redis.transport:Transport"
JOBS = Queue("jobs", routing_key="jobs")

TASKS = """\
import os, sys, time
import celeriac
from celery import Celery

app = Celery("t", broker=os.environ["BROKER"])
app.conf.update(
    task_ignore_result=True, worker_prefetch_multiplier=4, worker_enable_remote_control=False,
    broker_transport_options={
        "lease": float(os.environ.get("LEASE", "3")), "socket_timeout": float(os.environ.get("ANSWER", "5")),
    },
)
celeriac.adopt(app, celeriac.Plan())

def note(name, text):
    with open(name, "ab", buffering=0) as history:  # one write: whole lines, whoever else writes
        history.write(f"{text}\\n".encode())

@app.task(name="run")
def run(key, seconds=0.0):
    note("started", f"{key} {os.getpid()}")
    time.sleep(seconds)
    note("ended", f"{key} {os.getpid()}")

@app.task(name="die")
def die():
    note("died", os.getpid())
    os._exit(1)

def produce(name):
    number = 0
    while not os.path.exists("enough"):
        key = f"{name}-{os.getpid()}-{number}"
        number += 1
        began = time.monotonic()
        try:
            run.delay(key, 0.003)
        except Exception as error:
            note("refused", f"{key} {error!r}")
            note("took", f"{time.monotonic() - began:.3f}")
            continue
        note("ok", key)
        note("took", f"{time.monotonic() - began:.3f}")
        time.sleep(1 / 30)

if __name__ == "__main__":
    produce(sys.argv[1])
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FaultyRedis]:
    folder = tmp_path / "server"
    folder.mkdir()
    try:
        started = FaultyRedis(folder)
    except FileNotFoundError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))
    yield started
    started.kill()


@pytest.fixture
def proxy(server: FaultyRedis) -> Iterator[Proxy]:
    line = Proxy(server.port)
    yield line
    line.close()


def lines(project: Project, name: str) -> list[str]:
    path = project.folder / name
    return path.read_text().splitlines() if path.exists() else []


def keys(project: Project, name: str) -> Counter[str]:
    return Counter(line.split()[0] for line in lines(project, name))


def worker(project: Project, name: str, *options: str) -> Running:
    return project.start_celery(
        "-A", "shop_tasks", "worker", "-P", "solo", "-n", f"{name}@test", "-l", "info", *options
    )


def send(project: Project, key: str, seconds: float = 0.0) -> None:
    project.run(
        sys.executable, "-c", f"import shop_tasks as t; t.run.delay({key!r}, {seconds})"
    ).check_returncode()


def state(url: str, queue: str = "celery") -> QueueState:
    located = locate(url)
    assert located is not None
    view = RedisView(located, queues=(queue,))
    try:
        return next(each for each in view.queues() if each.name == queue)
    finally:
        view.close()


def left(url: str) -> int:
    celery = state(url)
    return celery.ready + celery.delayed + celery.unacked


@pytest.mark.parametrize(
    "kills", [15, pytest.param(100, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])]
)
def test_nothing_accepted_is_lost_when_workers_are_killed(
    kills: int,
    server: FaultyRedis,
    project: Callable[..., Project],
    eventually: Callable[..., Any],
    record_property: Callable[[str, object], None],
) -> None:
    shop = project(tasks=TASKS, environ={"BROKER": server.url})
    draw = random.Random(kills)
    options = {"worker-1": (), "worker-2": ("-P", "threads", "-c", "2")}
    running = {name: worker(shop, name, *more) for name, more in options.items()}
    senders = [shop.start(sys.executable, "shop_tasks.py", f"sender-{number}") for number in (1, 2)]
    eventually(lambda: len(lines(shop, "ended")) > 20, within=60)
    for _ in range(kills):
        name = draw.choice(sorted(running))
        before = len(lines(shop, "ended"))
        time.sleep(draw.uniform(0.0, 0.2))  # the random phase is the test
        running[name].signal_group(signal.SIGKILL)
        running[name].wait()
        running[name] = worker(shop, name, *options[name])
        eventually(lambda before=before: len(lines(shop, "ended")) > before, within=60)
    shop.write("enough", "")
    for sender in senders:
        assert sender.wait(within=60) == 0
    eventually(lambda: left(server.url) == 0, within=120)
    accepted, ended = keys(shop, "ok"), keys(shop, "ended")
    assert set(accepted) <= set(ended), f"lost: {sorted(set(accepted) - set(ended))[:5]}"
    assert state(server.url, "celeriac.dead").ready == 0, "an innocent became a letter"
    twice = sum(count - 1 for count in ended.values())
    figures = {"kills": kills, "accepted": len(accepted), "run": len(ended), "run_again": twice, "lost": 0}
    for figure, value in figures.items():
        record_property(figure, value)
    assert twice <= 60 * kills


def test_a_killed_workers_tasks_go_on_elsewhere_seconds_after_its_lease(
    server: FaultyRedis, project: Callable[..., Project], eventually: Callable[..., Any]
) -> None:
    shop = project(tasks=TASKS, environ={"BROKER": server.url, "LEASE": "2"})
    first = worker(shop, "first")
    send(shop, "long", 100.0)
    eventually(lambda: lines(shop, "started"), within=60)
    worker(shop, "second").wait_for_log("ready", within=60)
    killed = time.monotonic()
    first.signal_group(signal.SIGKILL)
    eventually(lambda: len(lines(shop, "started")) == 2, within=60)
    assert time.monotonic() - killed < 2 + 5


def test_a_worker_that_was_stopped_past_its_lease_may_not_ack_what_was_handed_on(
    server: FaultyRedis, project: Callable[..., Project], eventually: Callable[..., Any]
) -> None:
    shop = project(tasks=TASKS, environ={"BROKER": server.url, "LEASE": "1.5"})
    sleeper = worker(shop, "sleeper")
    send(shop, "job", 5.0)
    eventually(lambda: lines(shop, "started"), within=60)
    sleeper.signal(signal.SIGSTOP)
    other = worker(shop, "other")
    eventually(lambda: len(lines(shop, "started")) == 2, within=60)
    sleeper.signal(signal.SIGCONT)
    sleeper.wait_for_log("refused a late ack", within=60)
    eventually(lambda: left(server.url) == 0, within=60)
    send(shop, "after")
    eventually(lambda: keys(shop, "ended")["after"] == 1, within=60)
    assert sleeper.is_running()
    assert other.is_running()


def test_a_task_far_longer_than_the_lease_runs_once(
    server: FaultyRedis, project: Callable[..., Project], eventually: Callable[..., Any]
) -> None:
    shop = project(tasks=TASKS, environ={"BROKER": server.url, "LEASE": "1"})
    for name in ("one", "two"):
        worker(shop, name).wait_for_log("ready", within=60)
    send(shop, "long", 4.0)
    eventually(lambda: lines(shop, "ended"), within=60)
    assert keys(shop, "started") == {"long": 1}
    eventually(lambda: left(server.url) == 0, within=60)


def test_a_task_that_kills_its_worker_is_set_aside_after_three_runs(
    server: FaultyRedis, project: Callable[..., Project], eventually: Callable[..., Any]
) -> None:
    shop = project(tasks=TASKS, environ={"BROKER": server.url, "LEASE": "1"})
    script = "import shop_tasks as t; t.die.delay(); [t.run.delay(f'k{n}') for n in range(20)]"
    shop.run(sys.executable, "-c", script).check_returncode()
    for round_ in range(1, 4):
        worker(shop, f"round-{round_}").wait(within=60)
        assert len(lines(shop, "died")) == round_
    last = worker(shop, "last")
    eventually(lambda: set(keys(shop, "ended")) == {f"k{n}" for n in range(20)}, within=60)
    eventually(lambda: state(server.url, "celeriac.dead").ready == 1, within=60)
    assert len(lines(shop, "died")) == 3
    assert last.is_running()


@pytest.mark.parametrize("executor", ["solo", "prefork"])
def test_a_worker_goes_on_after_its_server_was_killed_frozen_or_cut_off(
    executor: str,
    server: FaultyRedis,
    proxy: Proxy,
    project: Callable[..., Project],
    eventually: Callable[..., Any],
) -> None:
    shop = project(tasks=TASKS, environ={"BROKER": proxy.url})
    busy = worker(shop, "busy", "-P", executor, "-c", "2")
    sender = shop.start(sys.executable, "shop_tasks.py", "sender")

    def works_on() -> None:
        before = len(lines(shop, "ended"))
        eventually(lambda: len(lines(shop, "ended")) > before + 3, within=60)

    works_on()
    for fault in ("kill", "cut", "freeze", "cut", "kill"):
        if fault == "kill":
            server.kill()
            server.start()
        elif fault == "cut":
            proxy.cut()
        else:
            with server.frozen():
                time.sleep(6.0)  # longer than a call waits
        works_on()
    shop.write("enough", "")
    assert sender.wait(within=60) == 0
    eventually(lambda: left(server.url) == 0, within=60)
    assert set(keys(shop, "ok")) <= set(keys(shop, "ended"))
    assert max(keys(shop, "started").values()) == 1, "nobody died, so nothing runs twice"
    assert busy.is_running()


@pytest.mark.parametrize(
    "faults", [10, pytest.param(50, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])]
)
def test_sending_and_consuming_resume_after_every_fault(
    faults: int,
    server: FaultyRedis,
    proxy: Proxy,
    project: Callable[..., Project],
    eventually: Callable[..., Any],
    record_property: Callable[[str, object], None],
) -> None:
    shop = project(tasks=TASKS, environ={"BROKER": proxy.url, "ANSWER": "1"})
    busy = worker(shop, "busy", "-P", "threads", "-c", "2")
    sender = shop.start(sys.executable, "shop_tasks.py", "sender")
    process = psutil.Process(busy.pid)

    def goes_on() -> float:
        """Wait until sends are taken and tasks have run anew; give how long that took, in seconds."""
        began, sent, ended = time.monotonic(), len(lines(shop, "ok")), len(lines(shop, "ended"))
        eventually(
            lambda: len(lines(shop, "ok")) > sent + 3 and len(lines(shop, "ended")) > ended + 3, within=60
        )
        return time.monotonic() - began

    goes_on()
    resumed, held = [], []
    for fault in range(faults):
        match ("kill", "cut", "freeze", "stall", "away")[fault % 5]:
            case "kill":
                server.kill()
                server.start()
            case "cut":
                proxy.cut()
            case "freeze":
                with server.frozen():
                    time.sleep(1.5)  # longer than a call waits
            case "stall":
                with proxy.stalled():
                    time.sleep(1.5)
            case "away":
                server.kill()
                time.sleep(1.5)
                server.start()
        resumed.append(goes_on())
        held.append((process.num_fds(), process.memory_info().rss))
    shop.write("enough", "")
    assert sender.wait(within=60) == 0
    eventually(lambda: left(server.url) == 0, within=60)
    assert busy.is_running()
    accepted, ended = keys(shop, "ok"), keys(shop, "ended")
    assert set(accepted) <= set(ended), f"lost: {sorted(set(accepted) - set(ended))[:5]}"
    assert max(keys(shop, "started").values()) == 1, "nobody died, so nothing runs twice"
    longest = max(map(float, lines(shop, "took")))
    assert longest < 20, "three tries of kombu's, each to connect and to be answered"
    early, late = held[4], held[-1]
    assert late[0] <= early[0] + 4, "file descriptors pile up"
    assert late[1] <= early[1] + 16_000_000, "memory piles up"
    figures = {
        "faults": faults,
        "accepted": len(accepted),
        "refused": len(lines(shop, "refused")),
        "lost": 0,
        "run_again": 0,
        "longest_send_s": longest,
        "longest_until_it_goes_on_s": round(max(resumed), 2),
        "descriptors": [early[0], late[0]],
        "rss_mib": [round(early[1] / 2**20, 1), round(late[1] / 2**20, 1)],
    }
    for figure, value in figures.items():
        record_property(figure, value)


def test_a_send_whose_reply_was_lost_is_one_message_when_kombu_tries_again(
    server: FaultyRedis, proxy: Proxy
) -> None:
    retry = {"retry": True, "retry_policy": {"max_retries": 3, "interval_start": 0.0}}
    with Connection(proxy.url, transport=TRANSPORT) as connection:
        producer = connection.Producer()
        for number in range(20):
            proxy.lose_reply_to(b"EVAL")
            producer.publish(number, routing_key="jobs", declare=[JOBS], priority=0, **retry)
    assert proxy.lost >= 20
    with Redis.from_url(server.url) as client:
        assert client.llen("jobs") == 20


def test_a_batch_whose_reply_was_lost_can_be_sent_again_as_one(server: FaultyRedis, proxy: Proxy) -> None:
    with Connection(proxy.url, transport=TRANSPORT) as connection:
        channel = connection.default_channel
        batch = [
            channel.outgoing(
                channel.prepare_message(str(number), properties={"delivery_mode": 2}), "", "jobs"
            )
            for number in range(5)
        ]
        proxy.lose_reply_to(b"EVAL")
        with pytest.raises(BrokerUnavailable, match="BROKER-030"):
            channel._sender.send(batch)
        channel._sender.send(batch)
    with Redis.from_url(server.url) as client:
        assert client.llen("jobs") == 5


@pytest.mark.parametrize("rounds", [10, pytest.param(200, marks=pytest.mark.soak)])
def test_what_was_fetched_without_an_answer_is_delivered_all_the_same(
    rounds: int, server: FaultyRedis, proxy: Proxy
) -> None:
    with (
        Connection(server.url, transport=TRANSPORT) as direct,
        Connection(proxy.url, transport=TRANSPORT, transport_options={"lease": 30}) as connection,
    ):
        got: list[int] = []
        consumer = connection.Consumer(
            [JOBS], callbacks=[lambda body, message: (got.append(body), message.ack())]
        )
        consumer.qos(prefetch_count=4)
        with consumer:
            for number in range(rounds):
                proxy.lose_reply_to(b"EVAL")
                direct.Producer().publish(number, routing_key="jobs", declare=[JOBS])
                deadline = time.monotonic() + 60
                while number not in got:
                    assert time.monotonic() < deadline
                    try:
                        connection.drain_events(timeout=0.2)
                    except TimeoutError:
                        continue
    assert sorted(got) == list(range(rounds))
    assert left_of(server.url, "jobs") == 0


def left_of(url: str, queue: str) -> int:
    found = state(url, queue)
    return found.ready + found.delayed + found.unacked


def test_a_frozen_server_keeps_no_sender_waiting(server: FaultyRedis) -> None:
    options = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0}
    with Connection(server.url, transport=TRANSPORT, transport_options=options) as connection:
        producer = connection.Producer()
        producer.publish("before", routing_key="jobs", declare=[JOBS])
        with server.frozen():
            began = time.monotonic()
            with pytest.raises(Exception, match="BROKER-030 Redis cannot be used now"):
                producer.publish("during", routing_key="jobs", retry=False)
            assert time.monotonic() - began < 5
        producer.publish("after", routing_key="jobs", retry=True)


def test_a_server_whose_memory_is_full_refuses_loudly_and_is_drained(server: FaultyRedis) -> None:
    with Redis.from_url(server.url) as client, Connection(server.url, transport=TRANSPORT) as connection:
        producer = connection.Producer()
        used = client.info("memory")["used_memory"]
        client.config_set("maxmemory", used + 3_000_000)
        accepted = 0
        with pytest.raises(Exception, match="BROKER-031 Redis has no memory left"):
            for _ in range(1000):
                producer.publish("x" * 20_000, routing_key="jobs", declare=[JOBS], retry=False)
                accepted += 1
        got: list[str] = []
        consumer = connection.Consumer(
            [JOBS], callbacks=[lambda body, message: (got.append(body), message.ack())]
        )
        with consumer:
            deadline = time.monotonic() + 60
            while len(got) < accepted and time.monotonic() < deadline:
                try:
                    connection.drain_events(timeout=0.5)
                except TimeoutError:
                    continue
        assert len(got) == accepted > 20
        producer.publish("again", routing_key="jobs", retry=False)


def test_scripts_are_taught_again_to_a_server_that_forgot_them(server: FaultyRedis) -> None:
    with Redis.from_url(server.url) as client, Connection(server.url, transport=TRANSPORT) as connection:
        for number in range(5):
            client.script_flush()
            connection.Producer().publish(number, routing_key="jobs", declare=[JOBS])
            message = JOBS(connection.default_channel).get()
            assert message is not None
            assert message.decode() == number
            client.script_flush()
            message.ack()


def test_a_flushed_server_is_enrolled_with_anew(server: FaultyRedis) -> None:
    with (
        Redis.from_url(server.url) as client,
        Connection(server.url, transport=TRANSPORT, transport_options={"lease": 1}) as connection,
    ):
        got: list[str] = []
        consumer = connection.Consumer(
            [JOBS], callbacks=[lambda body, message: (got.append(body), message.ack())]
        )
        with consumer:
            client.flushall()
            connection.clone().Producer().publish("after", routing_key="jobs")
            deadline = time.monotonic() + 60
            while not got and time.monotonic() < deadline:
                try:
                    connection.drain_events(timeout=0.5)
                except TimeoutError:
                    continue
    assert got == ["after"]
