"""Both transports against one model in memory: any order of sends, fetches, crashes, settlements, replays and hours.

A reader that crashes is one whose process is stopped for good: its keeper goes silent, and another takes over what it
held. It may still wake up and ack, which must change nothing.
"""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from kombu import Connection, Queue

import celeriac  # noqa: F401 - registers the transports' names
from celeriac import wire
from celeriac.clock import Clock
from celeriac.transports.redis.scripts import REAP
from celeriac.transports.sqlite import consumers
from servers.redis_server import RedisServer

QUEUES = ("a", "b")
LETTERS = "celeriac.dead"
AFTER = 3
READERS = 3


class World:
    """A broker, connections to it, and a wall clock of its own."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
        # What a dead reader held is handed on when the model says so, and never by the keepers themselves.
        self._clock = Clock(wall=lambda: self.now, steady=lambda: 1000.0)
        self._open: list[Connection] = []

    def _connect(self, url: str, transport: str | None) -> Connection:
        options = {"letters_queue": LETTERS, "letters_after": AFTER, "clock": self._clock, "lease": 600}
        connection = Connection(url, transport=transport, transport_options=options)
        for queue in QUEUES:
            Queue(queue, routing_key=queue)(connection.default_channel).declare()
        self._open.append(connection)
        return connection

    def lease_of(self, connection: Connection) -> Any:
        return connection.default_channel.connection.lease

    def silence(self, connection: Connection) -> None:
        self.lease_of(connection)._over.set()

    def leave(self, connection: Connection) -> None:
        self._open.remove(connection)
        connection.release()

    def close(self) -> None:
        for connection in self._open:
            lease = self.lease_of(connection)
            if lease is not None:
                lease._over.clear()
            connection.release()

    def tell_time(self) -> None:
        """Bring the broker's own clock to ours, where it has one."""


class SQLiteWorld(World):
    counts_the_unstarted_once = False

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()

    def connect(self) -> Connection:
        return self._connect(f"sqlite:///{self._folder.name}/broker.db?durability=relaxed", None)

    def crash(self, connection: Connection, survivor: Connection) -> None:
        self.silence(connection)
        channel, number = survivor.default_channel, self.lease_of(connection).number
        with channel.store.writing() as db:
            folder = Path(channel.store.location.folder)
            consumers.reap(db, folder, number, channel.connection.letter_rule, self.now)

    def close(self) -> None:
        super().close()
        self._folder.cleanup()


class RedisWorld(World):
    #: what a worker that dies for the first time had in hand counts, whether it had begun or not
    counts_the_unstarted_once = True

    def __init__(self, server: RedisServer) -> None:
        from redis import Redis

        super().__init__()
        self._client = Redis.from_url(server.database(12))
        self._client.flushdb()
        self._url = server.database(12)

    def connect(self) -> Connection:
        return self._connect(self._url, "celeriac.transports.redis.transport:Transport")

    def crash(self, connection: Connection, survivor: Connection) -> None:
        self.silence(connection)
        keys, consumer = connection.default_channel.keys, self.lease_of(connection).consumer
        for queue in QUEUES:
            ends = self._client.zscore(keys.leases(queue), consumer)
            if ends is not None:
                names = keys.of_queue(queue, consumer)
                self._client.eval(REAP.text, len(names), *names, consumer, f"{ends:.17g}", 600)

    def tell_time(self) -> None:
        # The server's clock cannot be set; what is due by ours is made due by its.
        for queue in QUEUES:
            key = f"celeriac:{{{queue}}}:delayed"
            for parked, _ in self._client.zrange(key, 0, -1, withscores=True):
                due = datetime.fromisoformat(json.loads(parked[1:])["headers"]["eta"]).timestamp()
                self._client.zadd(key, {parked: 0 if due <= self.now else 4e12})

    def close(self) -> None:
        super().close()
        self._client.close()


@dataclass
class Expected:
    """What the model knows of one message."""

    number: int
    queue: str
    priority: int
    due: float | None = None
    expires: float | None = None
    holder: int | None = None
    message: Any = None
    deliveries: int = 0
    has_gone_back: bool = False
    is_started: bool = False


class TransportAgainstModel(RuleBasedStateMachine):
    def __init__(self, make_world: Callable[[], World]) -> None:
        super().__init__()
        self.world: Any = make_world()
        self.sender = self.world.connect()
        self.readers: dict[int, Connection] = {}
        self.ids = itertools.count()
        self.expected: dict[int, Expected] = {}
        self.late: list[Any] = []
        self.poison: dict[int, Expected] = {}
        self.letters: dict[int, Any] = {}
        self.once: set[str] = set()
        self.replays = 0

    def teardown(self) -> None:
        try:
            self._everything_is_somewhere()
        finally:
            self.world.close()

    # Steps.

    @rule(
        queue=st.sampled_from(QUEUES),
        priority=st.integers(0, 9),
        delay=st.one_of(st.none(), st.integers(1, 30)),
        ttl=st.one_of(st.none(), st.integers(1, 30)),
        is_a_tasks_own_expiry=st.booleans(),
        once=st.one_of(st.none(), st.none(), st.sampled_from(["x", "y"])),
    )
    def send(
        self,
        queue: str,
        priority: int,
        delay: int | None,
        ttl: int | None,
        is_a_tasks_own_expiry: bool,
        once: str | None,
    ) -> None:
        number = next(self.ids)
        headers: dict[str, Any] = {"task": "t", "id": str(number)}
        due = expires = None
        options: dict[str, Any] = {"priority": priority}
        if delay is not None:
            due = self.world.now + delay
            headers["eta"] = datetime.fromtimestamp(due, UTC).isoformat()
        if ttl is not None:
            options["expiration"] = ttl
            if is_a_tasks_own_expiry:
                headers["expires"] = datetime.fromtimestamp(self.world.now + ttl, UTC).isoformat()
            else:
                expires = self.world.now + ttl
        if once is not None:
            headers[wire.ONCE] = once
        self._publish(number, queue, headers, **options)
        if once not in self.once:
            self.expected[number] = Expected(number, queue, priority, due, expires)
        if once is not None:
            self.once.add(once)

    def _publish(self, number: int, queue: str, headers: dict[str, Any], **options: Any) -> None:
        self.sender.Producer().publish(number, routing_key=queue, headers=headers, **options)

    @rule()
    @precondition(lambda self: len(self.readers) < READERS)
    def enrol(self) -> None:
        self.readers[next(self.ids)] = self.world.connect()

    def _drawn_reader(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.readers)))

    @rule(data=st.data(), queue=st.sampled_from(QUEUES))
    @precondition(lambda self: self.readers)
    def fetch(self, data: st.DataObject, queue: str) -> None:
        reader = self._drawn_reader(data)
        self.world.tell_time()
        self._take(reader, queue, self.readers[reader].default_channel.basic_get(queue))

    def _take(self, reader: int, queue: str, message: Any) -> None:
        ready = [each for each in self.expected.values() if each.queue == queue and self._is_ready(each)]
        if message is None:
            assert ready == []
            return
        number = message.decode()
        assert number in {each.number for each in ready}
        each = self.expected[number]
        assert each.priority == max(other.priority for other in ready)
        assert message.delivery_info["deliveries"] == each.deliveries
        each.due, each.holder, each.message = None, reader, message

    def _is_ready(self, each: Expected) -> bool:
        now = self.world.now
        is_due = each.due is None or each.due <= now
        return each.holder is None and is_due and (each.expires is None or each.expires > now)

    def _held(self) -> list[int]:
        return sorted(number for number, each in self.expected.items() if each.holder is not None)

    def _drawn_held(self, data: st.DataObject) -> Expected:
        return self.expected[data.draw(st.sampled_from(self._held()))]

    @rule(data=st.data())
    @precondition(lambda self: self._held())
    def start(self, data: st.DataObject) -> None:
        each = self._drawn_held(data)
        each.message.channel.mark_started(each.message.delivery_tag)
        each.is_started = True

    @rule(data=st.data(), how=st.sampled_from(["ack", "reject"]))
    @precondition(lambda self: self._held())
    def settle(self, data: st.DataObject, how: str) -> None:
        each = self._drawn_held(data)
        getattr(each.message, how)()
        del self.expected[each.number]

    @rule(data=st.data())
    @precondition(lambda self: self._held())
    def requeue(self, data: st.DataObject) -> None:
        each = self._drawn_held(data)
        each.message.requeue()
        self._gone_back(each, is_counted=each.is_started)

    def _gone_back(self, each: Expected, *, is_counted: bool) -> None:
        each.holder, each.message, each.is_started, each.has_gone_back = None, None, False, True
        each.deliveries += is_counted
        if each.deliveries >= AFTER:
            self.poison[each.number] = self.expected.pop(each.number)

    def _of(self, reader: int) -> list[Expected]:
        return [each for each in self.expected.values() if each.holder == reader]

    @rule(data=st.data())
    @precondition(lambda self: self.readers)
    def leave(self, data: st.DataObject) -> None:
        reader = self._drawn_reader(data)
        self.world.leave(self.readers.pop(reader))
        for each in self._of(reader):
            self._gone_back(each, is_counted=False)

    @rule(data=st.data())
    @precondition(lambda self: any(each.holder in self.readers for each in self.expected.values()))
    def crash(self, data: st.DataObject) -> None:
        reader = data.draw(st.sampled_from(sorted({each.holder for each in self.expected.values()} - {None})))
        self.world.crash(self.readers.pop(reader), self.sender)
        for each in self._of(reader):
            self.late.append(each.message)
            is_first = self.world.counts_the_unstarted_once and not each.has_gone_back
            self._gone_back(each, is_counted=each.is_started or is_first)

    @rule()
    @precondition(lambda self: self.late)
    def ack_late(self) -> None:
        self.late.pop().ack()

    @rule(seconds=st.integers(1, 20))
    def time_passes(self, seconds: int) -> None:
        self.world.now += seconds

    @rule()
    def read_a_letter(self) -> None:
        message = self.sender.default_channel.basic_get(LETTERS)
        if message is not None:
            number = message.decode()
            assert number in self.poison
            assert message.headers[wire.DEATH]["reason"] == "poison"
            self.letters[number] = message
            message.ack()

    @rule(data=st.data())
    @precondition(lambda self: self.letters)
    def replay(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.letters)))
        letter, dead = self.letters.pop(number), self.poison.pop(number)
        self.replays += 1
        headers = {name: value for name, value in letter.headers.items() if name not in (wire.DEATH, "eta")}
        for _ in range(2):  # whoever replays may do so twice
            self._publish(number, dead.queue, {**headers, wire.ONCE: f"replay:{self.replays}"})
        self.expected[number] = Expected(number, dead.queue, 0)

    # What holds at the end.

    def _everything_is_somewhere(self) -> None:
        for reader in list(self.readers):
            self.world.leave(self.readers.pop(reader))
            for each in self._of(reader):
                self._gone_back(each, is_counted=False)
        while self.late:
            self.late.pop().ack()
        self.world.now += 1000
        self.world.tell_time()
        last = self.readers[-1] = self.world.connect()
        for queue in QUEUES:
            while (message := last.default_channel.basic_get(queue)) is not None:
                self._take(-1, queue, message)
                del self.expected[message.decode()]
                message.ack()
        assert [each for each in self.expected.values() if each.expires is None] == []
        while (message := self.sender.default_channel.basic_get(LETTERS)) is not None:
            assert message.decode() in self.poison
            self.letters[message.decode()] = message
            message.ack()
        unwritten = set(self.poison) - set(self.letters)
        # One that had expired before it came to be set aside has ended by that.
        assert [number for number in unwritten if self.poison[number].expires is None] == []


def run(make_world: Callable[[], World], examples: int) -> None:
    run_state_machine_as_test(
        lambda: TransportAgainstModel(make_world),
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )


def test_the_sqlite_transport_does_what_the_model_does() -> None:
    run(SQLiteWorld, 15)


def test_the_redis_transport_does_what_the_model_does(redis_server: RedisServer) -> None:
    run(lambda: RedisWorld(redis_server), 15)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("transport", ["sqlite", "redis"])
def test_the_transports_do_what_the_model_does_ten_thousand_times(
    transport: str, request: pytest.FixtureRequest
) -> None:
    if transport == "redis":
        server = request.getfixturevalue("redis_server")
        run(lambda: RedisWorld(server), 5_000)
    else:
        run(SQLiteWorld, 5_000)
