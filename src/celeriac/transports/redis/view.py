"""What a Redis broker says, read without changing it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec
from kombu.exceptions import OperationalError

from celeriac import wire
from celeriac.errors import BrokerUnavailable
from celeriac.transports.connection import Connection
from celeriac.transports.payload import MalformedEnvelope, decode
from celeriac.transports.redis.delivery import mark_of
from celeriac.transports.redis.envelope import sent_at
from celeriac.transports.redis.keys import PRIORITIES
from celeriac.transports.redis.line import Line
from celeriac.transports.redis.location import Location
from celeriac.transports.redis.server import ServerState, read_server
from celeriac.transports.redis.trouble import LOST, explained
from celeriac.transports.view import ConsumerState, QueueState, Whereabouts

#: messages read at once while one of them is looked for
_PAGE = 500
_PATIENCE_S = 3.0


class RedisView:
    """A BrokerView of one server; also of queues that only stock Celery has used, once it is told their names.

    queues: names to look at although no process of ours has declared them. options: kombu's transport options.
    Raises, from every read: BrokerUnavailable, BrokerError.
    """

    def __init__(
        self, location: Location, *, queues: tuple[str, ...] = (), options: dict[str, Any] | None = None
    ) -> None:
        bounds = {"socket_timeout": _PATIENCE_S, "socket_connect_timeout": _PATIENCE_S}
        self._connection = Connection(
            location.url, transport=location.transport, transport_options={**(options or {}), **bounds}
        )
        self._named = queues
        self._opened: tuple[Line, Any] | None = None

    def _open(self) -> tuple[Line, Any]:
        """Give a line, and the names of keys."""
        if self._opened is None:
            try:
                channel: Any = self._connection.default_channel
            except OperationalError as error:  # kombu's, around what it was
                cause = error.__cause__
                raise explained(
                    cause if isinstance(cause, Exception) else error, self._connection.as_uri()
                ) from error
            except (*LOST, *self._connection.connection_errors) as error:
                raise explained(error, self._connection.as_uri()) from error
            self._opened = Line(channel.pool, channel.connection.at), channel.keys
        return self._opened

    def queues(self) -> list[QueueState]:
        """Give every queue; those of remote control and events too (their names hold "pidbox" or "celeryev")."""
        line, keys = self._open()
        declared = {name.decode() for name in line.call("SMEMBERS", keys.queues)}
        read = {queue for consumer in self.consumers() for queue in consumer.queues}
        return [self._queue(line, keys, name) for name in sorted({*declared, *read, *self._named})]

    def _queue(self, line: Line, keys: Any, name: str) -> QueueState:
        lists = keys.lists(name)
        now = time.time()
        *asked, delayed, due, readers = line.call_all(
            (
                *(("LLEN", each) for each in lists),
                *(("LINDEX", each, -1) for each in lists),
                ("ZCARD", keys.delayed(name)),
                ("ZCOUNT", keys.delayed(name), "-inf", int(now * 1000)),
                ("ZRANGE", keys.leases(name), 0, -1),
            )
        )
        sizes, oldest = asked[: len(lists)], [raw for raw in asked[len(lists) :] if raw]
        held = (
            line.call_all([("HLEN", keys.held(name, reader.decode())) for reader in readers])
            if readers
            else []
        )
        sent = [at for raw in oldest if (at := _sent(raw)) is not None]
        return QueueState(
            name=name,
            ready=sum(sizes),
            delayed=delayed,
            unacked=sum(held),
            oldest_age_s=max(now - min(sent), 0.0) if sent else None,
            consumers=len(readers),
            due=due,
        )

    def consumers(self) -> list[ConsumerState]:
        """Give every process that has a lease, dead ones too until it is over."""
        line, keys = self._open()
        found = []
        cursor: Any = 0
        while True:
            cursor, names = line.call("SCAN", cursor, "MATCH", keys.consumer("*"), "COUNT", 500)
            found += names
            if int(cursor) == 0:
                break
        states = [self._consumer(line, keys, name.decode().rpartition(":")[2]) for name in set(found)]
        return sorted((state for state in states if state), key=lambda state: (state.name, state.id))

    def _consumer(self, line: Line, keys: Any, consumer: str) -> ConsumerState | None:
        said = line.call("HMGET", keys.consumer(consumer), "name", "host", "pid", "queues")
        if said[0] is None:
            return None
        name, host, pid, queues = (each.decode() for each in said)
        running = self._running(line, keys, consumer)
        names = tuple(queues.split("\n")) if queues else ()
        held = line.call_all([("HLEN", keys.held(queue, consumer)) for queue in names]) if names else []
        return ConsumerState(
            id=consumer,
            name=name,
            host=host,
            pid=int(pid),
            queues=names,
            unacked=sum(held),
            running=len(running),
        )

    def _running(self, line: Line, keys: Any, consumer: str) -> set[tuple[str, int]]:
        """Give queue and number of what a consumer was running a second ago at most."""
        said = line.call("HGET", keys.consumer(consumer), "running")
        return set(msgspec.json.decode(said, type=list[tuple[str, int]])) if said else set()

    def find(self, task_id: str) -> Whereabouts | None:
        """Find the message of a task; None if the broker has none. Looks through all messages."""
        line, keys = self._open()
        for state in self.queues():
            for found in self._find_in(line, keys, state.name, task_id):
                return found
        return None

    def _find_in(self, line: Line, keys: Any, queue: str, task_id: str) -> Iterator[Whereabouts]:
        wanted = task_id.encode()
        ahead = 0
        for priority in reversed(PRIORITIES):
            key, start = keys.ready(queue, priority), -1
            while page := line.call("LRANGE", key, start - _PAGE + 1, start):
                for raw in reversed(page):
                    if wanted in raw and (found := self._at(queue, raw, task_id, "ready", ahead=ahead)):
                        yield found
                    ahead += 1
                start -= _PAGE
        for member, due in _pairs(line.call("ZRANGE", keys.delayed(queue), 0, -1, "WITHSCORES")):
            if wanted in member and (
                found := self._at(queue, member[1:], task_id, "delayed", due_at=float(due) / 1000)
            ):
                yield found
        for reader in line.call("ZRANGE", keys.leases(queue), 0, -1):
            consumer = reader.decode()
            for number, parked in _pairs(line.call("HGETALL", keys.held(queue, consumer))):
                if wanted in parked:
                    is_running = (queue, int(number)) in self._running(line, keys, consumer)
                    by = self._consumer(line, keys, consumer)
                    found = self._at(
                        queue, parked[1:], task_id, "running" if is_running else "fetched", consumer=by
                    )
                    if found:
                        yield found

    def _at(
        self,
        queue: str,
        raw: bytes,
        task_id: str,
        state: Literal["ready", "delayed", "fetched", "running"],
        *,
        ahead: int | None = None,
        due_at: float | None = None,
        consumer: ConsumerState | None = None,
    ) -> Whereabouts | None:
        try:
            payload = decode(raw)
        except MalformedEnvelope:
            return None
        headers = payload["headers"]
        if headers.get("id") != task_id:
            return None
        line, keys = self._open()
        deaths = line.call("HGET", keys.returned(queue), mark_of(raw))
        task = headers.get("task")
        return Whereabouts(
            queue=queue,
            task=task if isinstance(task, str) else None,
            state=state,
            ahead=ahead,
            due_at=due_at,
            sent_at=_sent(raw) or 0.0,
            consumer=consumer,
            deliveries=int(deaths or 0),
        )

    def server(self) -> ServerState:
        """Give what the server says of itself."""
        line, _ = self._open()
        return read_server(line)

    def close(self) -> None:
        if self._opened is not None:
            self._opened[0].hang_up()
            self._opened = None
        try:
            self._connection.release()
        except BrokerUnavailable:
            self._connection.collect()


def _pairs(flat: list[bytes]) -> Iterable[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)


def _sent(raw: bytes) -> float | None:
    """Say when a message was sent, epoch seconds; None for one of a stock sender that has not said so."""
    try:
        payload = decode(raw)
    except MalformedEnvelope:
        return None
    stamped = payload["headers"].get(wire.SENT)
    return (
        float(stamped)
        if type(stamped) in (int, float)
        else sent_at(payload["properties"].get("delivery_tag"))
    )
