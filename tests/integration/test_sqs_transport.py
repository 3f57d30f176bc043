"""What the SQS transport promises, asked through kombu alone."""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kombu import Connection, Consumer, Exchange, Queue
from kombu.exceptions import ChannelError, OperationalError

from celeriac import wire
from celeriac.errors import BrokerError, BrokerUnavailable
from celeriac.transports.sqs import delays
from servers.redis_faults import Proxy
from servers.redis_server import free_port
from servers.sqs_server import REGION, SqsServer
from servers.waiting import eventually

JOBS = Queue("jobs", Exchange("jobs"), routing_key="jobs")
MAIL = Queue("mail.out", Exchange("mail.out"), routing_key="mail.out")
LETTERS = "celeriac.dead"


class Broker:
    """Queues of a test's own at the server, and connections to it that end with the test."""

    def __init__(self, server: SqsServer) -> None:
        self.server, self.client = server, server.client()
        self.prefix = uuid.uuid4().hex[:8] + "-"
        self._connections: list[Connection] = []

    def connect(self, port: int | None = None, **options: Any) -> Connection:
        connection = Connection(
            self.server.url if port is None else self.server.url_at(port),
            transport="celeriac.transports.sqs.transport:Transport",
            transport_options={
                "region": REGION,
                "queue_name_prefix": self.prefix,
                "wait_time_seconds": 1,
                **options,
            },
        )
        self._connections.append(connection)
        return connection

    def url(self, queue: str = "jobs") -> str:
        return str(self.client.get_queue_url(QueueName=self.prefix + queue.replace(".", "-"))["QueueUrl"])

    def counts(self, queue: str = "jobs") -> tuple[int, int, int]:
        """Messages that are ready, delayed, held."""
        names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "Delayed", "NotVisible")]
        told = self.client.get_queue_attributes(QueueUrl=self.url(queue), AttributeNames=names)["Attributes"]
        ready, delayed, held = (int(told[name]) for name in names)
        return ready, delayed, held

    def names(self) -> list[str]:
        urls = self.client.list_queues(QueueNamePrefix=self.prefix).get("QueueUrls", [])
        return sorted(url.rpartition("/")[2].removeprefix(self.prefix) for url in urls)

    def close(self) -> None:
        for connection in self._connections:
            connection.release()


@pytest.fixture
def broker(sqs_server: SqsServer) -> Iterator[Broker]:
    made = Broker(sqs_server)
    yield made
    made.close()


@pytest.fixture
def line(sqs_server: SqsServer) -> Iterator[Proxy]:
    made = Proxy(sqs_server.port)
    yield made
    made.close()


def send(connection: Connection, body: Any, queue: Queue = JOBS, **options: Any) -> None:
    connection.Producer().publish(
        body, exchange=queue.exchange, routing_key=queue.routing_key, declare=[queue], **options
    )


class Reader:
    """Consumes queues, keeping what it got; acks by itself unless told not to."""

    def __init__(self, connection: Connection, *queues: Queue, acks: bool = True, prefetch: int = 0) -> None:
        self.connection, self._acks = connection, acks
        self.got: list[Any] = []
        self.messages: list[Any] = []
        self.consumer = Consumer(
            connection, list(queues or (JOBS,)), callbacks=[self._take], accept=["json", "text/plain"]
        )
        self.consumer.qos(prefetch_count=prefetch)
        self.consumer.consume()

    def _take(self, body: Any, message: Any) -> None:
        self.got.append(body)
        self.messages.append(message)
        if self._acks:
            message.ack()

    def turn(self, for_s: float = 0.05) -> None:
        try:
            self.connection.drain_events(timeout=for_s)
        except socket.timeout:  # noqa: UP041
            return

    def drain(self, count: int, within: float = 30.0) -> list[Any]:
        deadline = time.monotonic() + within
        while len(self.got) < count and time.monotonic() < deadline:
            self.turn()
        return self.got

    def until(self, condition: Callable[[], object], within: float = 30.0) -> None:
        deadline = time.monotonic() + within
        while not condition():
            assert time.monotonic() < deadline, "not in time"
            self.turn()


def test_what_is_acked_is_gone_and_each_message_comes_once(broker: Broker) -> None:
    connection = broker.connect()
    for number in range(30):
        send(connection, number)
    reader = Reader(broker.connect())
    assert sorted(reader.drain(30)) == list(range(30))
    assert broker.counts() == (0, 0, 0)
    assert not reader.messages[0].delivery_info["redelivered"]


def test_of_several_queues_no_more_is_held_than_was_asked_for(broker: Broker) -> None:
    connection = broker.connect()
    for number in range(6):
        send(connection, number, JOBS)
        send(connection, number, MAIL)
    reader = Reader(broker.connect(), JOBS, MAIL, acks=False, prefetch=2)
    reader.drain(2)

    def held() -> int:
        return broker.counts("jobs")[2] + broker.counts("mail.out")[2]

    reader.until(lambda: held() == 2)
    assert len(reader.got) == 2
    for _ in range(5):
        reader.messages[-1].ack()
        seen = len(reader.got)
        reader.until(lambda seen=seen: len(reader.got) == seen + 1)
    reader.until(lambda: held() == 2)


def test_what_is_held_stays_hidden_for_as_long_as_it_is_held(broker: Broker) -> None:
    send(broker.connect(), "long")
    holder = Reader(broker.connect(lease=2), acks=False)
    holder.drain(1)
    other = Reader(broker.connect(lease=2))
    assert other.drain(1, within=7.0) == []
    holder.messages[0].ack()
    assert broker.counts() == (0, 0, 0)


def test_what_a_consumer_held_that_is_gone_comes_back_when_its_lease_ends(broker: Broker) -> None:
    send(broker.connect(), "kept")
    gone = broker.client.receive_message  # a process that took it, and was killed
    gone(QueueUrl=broker.url(), VisibilityTimeout=2)
    reader = Reader(broker.connect())
    assert reader.drain(1) == ["kept"]
    assert reader.messages[0].delivery_info["redelivered"]


def test_who_closes_gives_back_at_once_what_it_had_not_settled(broker: Broker) -> None:
    connection = broker.connect()
    for number in range(4):
        send(connection, number)
    leaving = broker.connect(lease=600)
    Reader(leaving, acks=False, prefetch=3).drain(3)
    leaving.release()
    assert broker.counts() == (4, 0, 0)


def test_a_rejected_message_goes_back_or_is_gone_as_it_was_rejected(broker: Broker) -> None:
    send(broker.connect(), "again")
    reader = Reader(broker.connect(lease=600), acks=False)
    reader.drain(1)
    reader.messages[0].reject(requeue=True)
    assert reader.drain(2) == ["again", "again"]
    reader.messages[1].reject()
    assert broker.counts() == (0, 0, 0)


def test_what_the_team_has_sqs_redrive_is_left_to_sqs(broker: Broker) -> None:
    connection = broker.connect()
    connection.default_channel.queue_declare("dead")
    send(connection, "poison")
    target = broker.client.get_queue_attributes(QueueUrl=broker.url("dead"), AttributeNames=["QueueArn"])
    policy = {"deadLetterTargetArn": target["Attributes"]["QueueArn"], "maxReceiveCount": "1"}
    broker.client.set_queue_attributes(
        QueueUrl=broker.url(), Attributes={"RedrivePolicy": json.dumps(policy)}
    )
    reader = Reader(broker.connect(lease=2), acks=False)
    reader.drain(1)
    reader.messages[0].reject()
    reader.until(lambda: broker.counts("dead")[0] == 1)
    assert reader.got == ["poison"]


def test_consuming_goes_on_by_itself_after_an_outage(broker: Broker, line: Proxy) -> None:
    """kombu's own consumer stops for good at the first broken answer."""
    reader = Reader(broker.connect(line.port))
    send(broker.connect(), "before")
    reader.drain(1)
    for _ in range(3):
        line.cut()
        reader.turn(1.0)
    send(broker.connect(), "after")
    assert reader.drain(2) == ["before", "after"]


def test_an_ack_that_did_not_get_through_is_made_up_for(broker: Broker, line: Proxy) -> None:
    send(broker.connect(), "once")
    config = {"retries": {"total_max_attempts": 1}, "connect_timeout": 1, "read_timeout": 2}
    reader = Reader(broker.connect(line.port, lease=9, **{"client-config": config}), acks=False)
    reader.drain(1)
    with line.stalled():
        reader.messages[0].ack()
        line.cut()
    assert broker.counts() == (0, 0, 1)
    reader.until(lambda: broker.counts() == (0, 0, 0))
    assert reader.got == ["once"]


def test_a_delayed_task_waits_at_sqs_and_comes_when_it_is_due(broker: Broker) -> None:
    due = datetime.now(UTC) + timedelta(seconds=3)
    send(broker.connect(), "later", headers={"eta": due.isoformat()})
    assert broker.counts() == (0, 1, 0)
    reader = Reader(broker.connect())
    assert reader.drain(1) == ["later"]
    # In whole seconds; the rest waits in the worker.
    assert datetime.now(UTC) > due - timedelta(seconds=1)


def test_a_longer_delay_than_sqs_has_is_waited_for_in_parts(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delays, "LONGEST_DELAY_S", 1)
    monkeypatch.setattr(delays, "LONGEST_HIDING_S", 2)
    monkeypatch.setattr(delays, "SOON_S", 1.0)
    due = datetime.now(UTC) + timedelta(seconds=7)
    send(broker.connect(), "later", headers={"eta": due.isoformat()})
    reader = Reader(broker.connect())
    assert reader.drain(1) == ["later"]
    assert datetime.now(UTC) > due - timedelta(seconds=2)
    assert broker.counts() == (0, 0, 0)


@pytest.mark.parametrize(
    "body",
    ["nonsense", "[]", "{}", '{"headers": {}, "properties": 5}', "bm9uc2Vuc2U=", '{"properties": {}}',
     '{"headers": {}, "properties": {"delivery_info": 1}}',
     '{"headers": {}, "properties": {"body_encoding": "base64"}, "body": "x"}'],
)  # fmt: skip
def test_what_cannot_be_read_becomes_a_letter_and_the_next_message_comes(broker: Broker, body: str) -> None:
    connection = broker.connect()
    JOBS(connection.default_channel).declare()
    broker.client.send_message(QueueUrl=broker.url(), MessageBody=body)
    send(connection, "good")
    reader = Reader(broker.connect())
    assert reader.drain(1) == ["good"]
    eventually(lambda: broker.counts()[0] == broker.counts()[2] == 0)
    got = eventually(lambda: connection.default_channel.basic_get(LETTERS, no_ack=True))
    assert got.headers[wire.DEATH]["reason"] == "malformed"
    assert got.headers[wire.DEATH]["queue"] == "jobs"
    assert got.body in (body.encode(), b"nonsense")


def test_looking_for_a_queue_does_not_make_it(broker: Broker) -> None:
    channel = broker.connect().default_channel
    with pytest.raises(ChannelError):
        channel.queue_declare("nobody", passive=True)
    assert channel.counts("nobody") == (0, 0, 0)
    assert broker.names() == []


def test_a_queue_that_somebody_deletes_is_made_anew(broker: Broker) -> None:
    connection = broker.connect()
    reader = Reader(broker.connect())
    send(connection, 1)
    reader.drain(1)
    broker.client.delete_queue(QueueUrl=broker.url())
    with pytest.raises(BrokerUnavailable, match="no such queue"):
        connection.Producer().publish(2, exchange="", routing_key="jobs")
    connection.Producer().publish(3, exchange="", routing_key="jobs")
    assert reader.drain(2) == [1, 3]


@pytest.mark.parametrize("queue", ["f00.reply.celery.pidbox", "celeryev.f00"])
def test_queues_of_broadcasts_are_refused(broker: Broker, queue: str) -> None:
    with pytest.raises(BrokerError, match="no broadcasts") as refused:
        broker.connect().default_channel.queue_declare(queue)
    assert refused.value.code == "BROKER-067"
    assert broker.names() == []


def test_task_events_go_to_the_recorders_queue_where_runs_are_recorded(broker: Broker) -> None:
    events = Exchange("celeryev", type="topic")
    for keeps in (False, True):
        producer = broker.connect(keeps_events=keeps).Producer()
        for key in ("task.multi", "worker.heartbeat"):
            # As in a process that records: the queue is there.
            producer.channel.queue_declare("celeriac.events")
            producer.publish({key: keeps}, exchange=events, routing_key=key, declare=[events])
    reader = Reader(broker.connect(), Queue("celeriac.events"))
    assert reader.drain(1) == [{"task.multi": True}]
    assert broker.counts("celeriac.events") == (0, 0, 0)
    kept = broker.client.get_queue_attributes(
        QueueUrl=broker.url("celeriac.events"), AttributeNames=["MessageRetentionPeriod"]
    )
    assert kept["Attributes"]["MessageRetentionPeriod"] == "3600"


def test_a_bounded_call_is_tried_once_and_others_as_the_team_says(broker: Broker) -> None:
    def config(**options: Any) -> Any:
        return broker.connect(**options).default_channel.sqs().meta.config

    bounded = config(connect_timeout=1.5, read_timeout=2.5)
    assert (bounded.connect_timeout, bounded.read_timeout) == (1.5, 2.5)
    assert bounded.retries["total_max_attempts"] == 1
    assert config().retries["total_max_attempts"] == 2
    assert config(read_timeout=2.5, **{"client-config": {"read_timeout": 40}}).read_timeout == 40


def test_a_message_that_is_too_big_says_so(broker: Broker) -> None:
    with pytest.raises(BrokerError) as refused:
        send(broker.connect(), "x" * 2_000_000)
    assert refused.value.code == "BROKER-063"


def test_nobody_there_is_said_with_its_remedy(broker: Broker) -> None:
    port = free_port()
    with pytest.raises(OperationalError, match="BROKER-066"):
        broker.connect(port, **{"client-config": {"retries": {"total_max_attempts": 1}}}).default_channel  # noqa: B018
