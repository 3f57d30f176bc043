"""What every transport of ours promises, asked through kombu alone."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Consumer, Exchange, Queue

import celeriac  # noqa: F401 - registers the transports' names
from celeriac.errors import QueueFull

ACCEPTED = ["json", "text/plain", "application/data"]
JOBS = Queue("jobs", Exchange("jobs"), routing_key="jobs")


class Broker:
    """A broker's URL, and connections to it that end with the test."""

    def __init__(self, url: str, transport: str | None = None) -> None:
        self.url = url
        self._transport = transport
        self._connections: list[Connection] = []

    def connect(self, **options: Any) -> Connection:
        connection = Connection(self.url, transport=self._transport, transport_options=options)
        self._connections.append(connection)
        return connection

    def close(self) -> None:
        for connection in self._connections:
            connection.release()


@pytest.fixture(params=["sqlite", "redis"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    if request.param == "redis":
        server = request.getfixturevalue("redis_server")
        server.flush()
        broker = Broker(server.url, "celeriac.transports.redis.transport:Transport")
    else:
        broker = Broker(f"sqlite:///{tmp_path}/broker.db")
    yield broker
    broker.close()


def send(connection: Connection, body: Any, **options: Any) -> None:
    connection.Producer().publish(body, exchange=JOBS.exchange, routing_key="jobs", declare=[JOBS], **options)


class Reader:
    """Consumes `queues`, keeping what it got; acks by itself unless told not to."""

    def __init__(self, connection: Connection, *queues: Queue, acks: bool = True, prefetch: int = 0) -> None:
        self.connection = connection
        self.got: list[Any] = []
        self.messages: list[Any] = []
        self._acks = acks
        self.consumer = Consumer(
            connection, list(queues or (JOBS,)), callbacks=[self._take], accept=list(ACCEPTED)
        )
        self.consumer.qos(prefetch_count=prefetch)
        self.consumer.consume()

    def _take(self, body: Any, message: Any) -> None:
        self.got.append(body)
        self.messages.append(message)
        if self._acks:
            message.ack()

    def drain(self, count: int, within: float = 5.0) -> list[Any]:
        deadline = time.monotonic() + within
        while len(self.got) < count and time.monotonic() < deadline:
            try:
                self.connection.drain_events(timeout=0.05)
            except socket.timeout:  # noqa: UP041
                continue
        return self.got

    def finds_nothing(self, for_s: float = 0.15) -> bool:
        before = len(self.got)
        self.drain(before + 1, within=for_s)
        return len(self.got) == before


def waiting(connection: Connection, queue: str = "jobs") -> int:
    return int(connection.default_channel.queue_declare(queue, passive=True).message_count)


def test_messages_of_one_priority_come_in_the_order_they_were_sent(broker: Broker) -> None:
    connection = broker.connect()
    for number in range(50):
        send(connection, number)
    assert Reader(connection).drain(50) == list(range(50))


def test_large_messages_come_whole_and_in_order_among_small_ones(broker: Broker) -> None:
    connection = broker.connect()
    sizes = [0, 10, 20_000, 10, 10, 3_000_000, *[200_000] * 12, 0, *[10] * 30, 20_000, 0]
    bodies = [f"{number}:" + "x" * size for number, size in enumerate(sizes)]
    for body in bodies:
        send(connection, body)
    assert Reader(connection).drain(len(bodies), within=60.0) == bodies
    assert waiting(connection) == 0


def test_a_batch_of_many_queues_priorities_and_sizes_arrives_whole(broker: Broker) -> None:
    connection = broker.connect()
    queues = [Queue(name, routing_key=name) for name in ("red", "blue")]
    channel = connection.default_channel
    for queue in queues:
        queue(channel).declare()
    batch = channel.create_publish_batch(max_size=10_000)
    for number in range(9_000):
        name, priority = ("red", "blue")[number % 2], number % 3
        message = channel.prepare_message(f"{number}", priority, "text/plain", "utf-8", {}, {})
        batch.publish(message, routing_key=name)
    batch.flush()
    batch.close()
    one = channel.create_publish_batch(max_size=10_000)
    for number in range(9_000, 18_000):
        one.publish(channel.prepare_message(f"{number}", 0, "text/plain", "utf-8", {}, {}), routing_key="red")
    one.flush()
    assert (waiting(connection, "red"), waiting(connection, "blue")) == (13_500, 4_500)
    got = [int(body) for body in Reader(connection, *queues).drain(18_000, within=60.0)]
    assert sorted(got) == list(range(18_000))
    # In their order, but for what a reader that was kept waiting has given back.
    later = [number for number in got if number >= 9_000]
    assert sum(one > next_ for one, next_ in pairwise(later)) <= 3


def test_the_bigger_priority_comes_first(broker: Broker) -> None:
    connection = broker.connect()
    for priority in (0, 9, 5, 1, 9):
        send(connection, priority, priority=priority)
    assert Reader(connection).drain(5) == [9, 9, 5, 1, 0]


def test_queues_are_read_in_the_order_of_preference(broker: Broker) -> None:
    connection = broker.connect()
    low, high = Queue("low", routing_key="low"), Queue("high", routing_key="high")
    for name in ("low", "high", "low", "high"):
        connection.Producer().publish(name, routing_key=name, declare=[low, high])
    assert Reader(connection, high, low).drain(4) == ["high", "high", "low", "low"]


def test_an_acked_message_is_gone_and_an_unacked_one_comes_again(broker: Broker) -> None:
    connection = broker.connect()
    for name in ("first", "second"):
        send(connection, name)
    reader = Reader(connection, acks=False)
    reader.drain(2)
    reader.messages[0].ack()
    connection.release()
    again = Reader(broker.connect())
    assert again.drain(1) == ["second"]
    # A bool: `inspect active` shows it as it is.
    told = [each.delivery_info["redelivered"] for each in (reader.messages[1], again.messages[0])]
    assert [(type(each), each) for each in told] == [(bool, False), (bool, True)]
    assert again.finds_nothing()


def test_no_more_than_the_prefetch_count_is_delivered_unacked(broker: Broker) -> None:
    connection = broker.connect()
    for number in range(10):
        send(connection, number)
    reader = Reader(connection, acks=False, prefetch=3)
    reader.drain(4, within=0.3)
    assert reader.got == [0, 1, 2]
    reader.messages[0].ack()
    assert reader.drain(4) == [0, 1, 2, 3]


def test_what_one_reader_holds_no_other_gets(broker: Broker) -> None:
    for number in range(200):
        send(broker.connect() if number == 0 else broker._connections[0], number)
    readers = [Reader(broker.connect(), prefetch=5) for _ in range(3)]
    deadline = time.monotonic() + 10
    while sum(len(reader.got) for reader in readers) < 200 and time.monotonic() < deadline:
        for reader in readers:
            reader.drain(len(reader.got) + 1, within=0.05)
    assert sorted(number for reader in readers for number in reader.got) == list(range(200))


def test_a_rejected_message_comes_again_if_it_was_requeued_and_never_if_not(broker: Broker) -> None:
    connection = broker.connect()
    for name in ("dropped", "again"):
        send(connection, name)
    reader = Reader(connection, acks=False)
    reader.drain(2)
    reader.messages[0].reject()
    reader.messages[1].requeue()
    assert reader.drain(3) == ["dropped", "again", "again"]
    reader.messages[2].ack()
    assert waiting(connection) == 0


def test_a_task_with_an_eta_waits_at_the_broker_until_its_time(broker: Broker) -> None:
    connection = broker.connect()
    due = datetime.now(UTC) + timedelta(seconds=0.6)
    send(connection, "later", headers={"task": "t", "id": "1", "eta": due.isoformat()})
    send(connection, "now")
    reader = Reader(connection)
    assert reader.drain(1) == ["now"]
    assert reader.finds_nothing(for_s=0.2)
    assert reader.drain(2) == ["now", "later"]
    assert timedelta() <= datetime.now(UTC) - due < timedelta(seconds=0.5)


def test_a_message_past_its_expiration_is_never_delivered(broker: Broker) -> None:
    connection = broker.connect()
    send(connection, "short-lived", expiration=0.05)
    send(connection, "lasting")
    threading.Event().wait(0.1)  # the message's own time, on the broker's clock
    reader = Reader(connection)
    assert reader.drain(1) == ["lasting"]
    assert reader.finds_nothing()


def test_a_fanout_reaches_every_bound_queue_and_nobody_if_none_is_bound(broker: Broker) -> None:
    connection = broker.connect()
    news = Exchange("news", type="fanout")
    connection.Producer().publish("unheard", exchange=news, routing_key="", declare=[news])
    readers = [Reader(broker.connect(), Queue(f"news-{number}", news)) for number in range(2)]
    connection.Producer().publish("heard", exchange=news, routing_key="", declare=[news])
    assert [reader.drain(1) for reader in readers] == [["heard"], ["heard"]]


def test_what_is_said_to_everybody_is_heard_before_tasks_are_taken(broker: Broker) -> None:
    connection, control = broker.connect(), Exchange("control", type="fanout")
    reader = Reader(connection)  # a worker consumes its tasks first, its mailbox by a channel of its own
    box = Consumer(connection.channel(), [Queue("box", control)], callbacks=[reader._take], no_ack=True)
    box.consume()
    sender = broker.connect()
    sender.Producer().publish("revoke", exchange=control, routing_key="", declare=[control])
    send(sender, "task")
    assert reader.drain(2) == ["revoke", "task"]


def test_topics_match_words(broker: Broker) -> None:
    connection = broker.connect()
    topics = Exchange("topics", type="topic")
    reader = Reader(connection, Queue("tasks", topics, routing_key="task.#"))
    for key in ("task.sent", "worker.online", "task.failed.twice"):
        connection.Producer().publish(key, exchange=topics, routing_key=key)
    assert reader.drain(2) == ["task.sent", "task.failed.twice"]
    assert reader.finds_nothing()


def test_a_full_queue_that_rejects_refuses_the_next_message_and_keeps_what_it_has(broker: Broker) -> None:
    connection = broker.connect(queues={"jobs": {"max_length": 2, "when_full": "reject"}})
    send(connection, 1)
    send(connection, 2)
    with pytest.raises(QueueFull, match=r'BROKER-010 queue "jobs" is full: it holds 2 of 2'):
        send(connection, 3)
    assert Reader(connection).drain(2) == [1, 2]
    send(connection, 3)


def test_a_full_queue_that_blocks_lets_its_sender_wait_for_room(broker: Broker) -> None:
    connection = broker.connect(queues={"jobs": {"max_length": 1, "when_full": "block"}})
    send(connection, "first")
    sender = threading.Thread(
        target=send, args=(broker.connect(queues={"jobs": {"max_length": 1}}), "second")
    )
    sender.start()
    sender.join(0.2)
    assert sender.is_alive()
    assert Reader(connection).drain(2) == ["first", "second"]
    sender.join(5)
    assert not sender.is_alive()


def test_a_retry_is_taken_even_by_a_full_queue(broker: Broker) -> None:
    connection = broker.connect(queues={"jobs": {"max_length": 1, "when_full": "reject"}})
    send(connection, "first")
    send(connection, "retry", headers={"task": "t", "id": "1", "retries": 1})
    assert waiting(connection) == 2


def test_purge_empties_a_queue_and_counts(broker: Broker) -> None:
    connection = broker.connect()
    for number in range(5):
        send(connection, number)
    assert connection.default_channel.queue_purge("jobs") == 5
    assert waiting(connection) == 0


def test_a_batch_is_sent_whole_or_not_at_all(broker: Broker) -> None:
    connection = broker.connect()
    producer = connection.Producer()
    with producer.batch():
        for number in range(500):
            producer.publish(number, exchange=JOBS.exchange, routing_key="jobs", declare=[JOBS])
    with pytest.raises(ZeroDivisionError), producer.batch():
        producer.publish("never", exchange=JOBS.exchange, routing_key="jobs")
        raise ZeroDivisionError
    assert Reader(connection).drain(500) == list(range(500))
    assert waiting(connection) == 0


def test_a_key_is_sent_once_however_often_it_is_published(broker: Broker) -> None:
    connection = broker.connect()
    for attempt in range(3):
        send(connection, attempt, headers={"celeriac-once": "replay:1"})
    send(connection, "other", headers={"celeriac-once": "replay:2"})
    reader = Reader(connection)
    assert reader.drain(2) == [0, "other"]
    assert reader.finds_nothing()
    assert all("celeriac-once" not in message.headers for message in reader.messages)


def test_a_message_to_a_queue_nobody_bound_is_refused_not_lost(broker: Broker) -> None:
    connection = broker.connect()
    with pytest.raises(Exception, match="BROKER-011 no queue is bound"):
        connection.Producer().publish("lost?", exchange=Exchange("nowhere"), routing_key="x", retry=False)


def test_an_idle_reader_is_woken_within_milliseconds(broker: Broker) -> None:
    reader = Reader(broker.connect())
    assert reader.finds_nothing()
    sender = broker.connect()
    send(sender, "warm")
    reader.drain(1)
    delays = []
    for _ in range(20):
        thread = threading.Thread(target=send, args=(sender, time.monotonic()))
        thread.start()
        reader.connection.drain_events(timeout=2)
        delays.append(time.monotonic() - reader.got[-1])
        thread.join()
    assert sorted(delays)[10] < 0.1, "a reader that polls once a second would take half a second"


@pytest.mark.parametrize("body", [b"\x00\xff binary", "text ü", {"a": [1, None, 1.5]}, [], "x" * 1_000_000])
def test_a_body_arrives_as_it_was_sent(broker: Broker, body: Any) -> None:
    connection = broker.connect()
    send(connection, body)
    message = JOBS(connection.default_channel).get(accept=ACCEPTED)
    assert message is not None
    assert message.decode() == body
    message.ack()


def test_headers_and_properties_arrive_as_they_were_sent(broker: Broker) -> None:
    connection = broker.connect()
    when = datetime(2026, 1, 2, tzinfo=UTC)
    send(
        connection,
        1,
        headers={"when": when, "n": [1, {"x": None}]},
        correlation_id="c",
        reply_to="r",
        priority=3,
    )
    message = JOBS(connection.default_channel).get()
    assert message is not None
    assert message.headers == {"when": when, "n": [1, {"x": None}]}
    assert (message.properties["correlation_id"], message.properties["reply_to"]) == ("c", "r")
    assert message.delivery_info["priority"] == 3
    message.ack()


def test_threads_may_ack(broker: Broker) -> None:
    connection = broker.connect()
    for number in range(100):
        send(connection, number)
    reader = Reader(connection, acks=False)
    reader.drain(100)
    threads = [threading.Thread(target=message.ack) for message in reader.messages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    connection.release()
    assert waiting(broker.connect()) == 0


def test_a_queue_of_an_absent_reader_is_deleted_if_it_was_declared_so(broker: Broker) -> None:
    own = Queue("mine", Exchange("news", type="fanout"), auto_delete=True)
    connection = broker.connect()
    reader = Reader(connection, own)
    reader.consumer.cancel()
    with pytest.raises(Exception, match="NOT_FOUND"):
        waiting(broker.connect(), "mine")


def test_what_a_dead_consumer_held_is_taken_over_and_settled_in_its_place(broker: Broker) -> None:
    dead, heir = broker.connect(lease=30), broker.connect(lease=30)
    for name in ("done", "running", "counted", "waiting"):
        send(dead, name)
    reader = Reader(dead, acks=False)
    reader.drain(4)
    running, dead_channel = reader.messages[1].delivery_tag, reader.consumer.channel
    reader.messages[0].ack()
    dead_channel.qos.write_acks()
    channel = heir.default_channel
    ran, others = channel.inherit(dead_channel.consumer_id, running)
    assert ran.payload == "running"
    assert [message.payload for message in others] == ["counted", "waiting"]
    ran.ack()
    channel.mark_started(others[0].delivery_tag)
    for message in others:
        message.reject(requeue=True)
    channel.bury(dead_channel.consumer_id)
    heir.release()
    again = Reader(broker.connect())
    assert sorted(again.drain(2)) == ["counted", "waiting"]
    assert {m.payload: m.delivery_info["deliveries"] for m in again.messages} == {"counted": 1, "waiting": 0}
    assert again.finds_nothing()


def test_nothing_is_left_of_a_consumer_that_was_reaped_already(broker: Broker) -> None:
    connection = broker.connect()
    assert connection.default_channel.inherit("9999999", "1-9999999-jobs") == (None, [])
