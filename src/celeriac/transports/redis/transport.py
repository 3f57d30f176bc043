"""The kombu transport of the Redis broker: connections, and their place in an event loop."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from kombu.transport import redis as stock

from celeriac.clock import SYSTEM, Clock
from celeriac.errors import BrokerUnavailable
from celeriac.transports.before_acks import BeforeAcks, before_acks_of
from celeriac.transports.readiness import readable
from celeriac.transports.redis.channel import Channel, LeasingChannel, SentinelChannel
from celeriac.transports.redis.lease import Lease
from celeriac.transports.sending import ROOM_PATIENCE_S

#: how long a loop sleeps at most, so that nothing that was missed stays unnoticed, seconds
_SLEEP_S = 1.0
#: how long a consumer may be silent before its messages are handed on, seconds
LEASE_S = 10.0


class Transport(stock.Transport):
    """`redis://`, `rediss://`, `redis+socket://`, with kombu's own transport options and these:

    `letters_queue` (default "celeriac.dead"), `letters_after` (deliveries before poison, 3),
    `queues` ({name: {"max_length": int, "when_full": "block" | "reject"}}), `consumer_name`, `clock`, `lease`
    (seconds), `before_acks` (names a BeforeAcks: results that are gathered must go first), `send_within` (seconds that
    a send may wait for room; given to connections that only send).
    """

    Channel = Channel
    connection_errors = (*stock.Transport.connection_errors, BrokerUnavailable)

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        options = self._options = client.transport_options
        self.at = f"{client.hostname or 'localhost'}:{client.port or self.default_port}/{client.virtual_host}"
        self.clock: Clock = options.get("clock", SYSTEM)
        self.queue_bounds: dict[str, dict[str, Any]] = dict(options.get("queues", {}))
        self.is_for_sending = "send_within" in options
        self.room_patience_s = float(options.get("send_within", ROOM_PATIENCE_S))
        self.before_acks: BeforeAcks = before_acks_of(options)
        self.letters_queue: str = options.get("letters_queue", "celeriac.dead")
        self.letters_after: int = options.get("letters_after", 3)
        self.lease: Lease | None = None
        self._lease_pid = 0
        self._loop: Any = None
        self._watched: dict[int, Callable[[], None]] = {}
        self.loop_thread = 0
        self._due_entry: Any = None
        self._due_at: float | None = None

    # Connections.

    def close_connection(self, connection: Any) -> None:
        self.unregister_from_event_loop(connection, self._loop)
        super().close_connection(connection)
        lease, self.lease = self.lease, None
        if lease is not None and self._lease_pid == os.getpid():
            lease.close()
            self.before_acks.end()

    def take_lease(self, channel: LeasingChannel) -> Lease:
        """Give this process's lease, opened with the first consumer."""
        if self.lease is None or self._lease_pid != os.getpid():
            self.lease = Lease(
                channel.make_pool,
                self.at,
                channel.keys,
                name=self._options.get("consumer_name"),
                lease_s=float(self._options.get("lease", LEASE_S)),
                on_tick=self._tend,
                running=self._running,
            )
            self._lease_pid = os.getpid()
            self.before_acks.begin()
        return self.lease

    @property
    def reaches_server(self) -> bool:
        """Say whether the server is there; while it is not, this transport tries on by itself and tells nobody else."""
        return self.lease is None or self.lease.reaches_server

    def is_read(self, queue: str) -> bool:
        """Say whether a channel of this connection consumes from the queue."""
        return any(queue in channel._active_queues for channel in self.channels)

    def _tend(self) -> None:
        for channel in list(self.channels):
            channel.tend()

    def _running(self) -> list[tuple[str, int]]:
        """Name queue and number of what is being run, a thousand at most."""
        started = [
            (held.queue, held.number) for channel in list(self.channels) for held in tuple(channel.started)
        ]
        return sorted(started)[:1000]

    # What rings.

    def _sources(self) -> dict[int, Callable[[], None]]:
        """Give the descriptors that tell of something to do, and what to do then."""
        sources: dict[int, Callable[[], None]] = {}
        lease = self.lease
        if lease is not None:
            lease.bell.clear_away()
            sources[lease.waker.fileno()] = self._woken
            bell = lease.bell.fileno()
            if bell is not None:
                sources[bell] = self._rung
        for channel in self.channels:
            ear = channel.ear.fileno()
            if ear is not None:
                sources[ear] = self._said
        return sources

    def _woken(self) -> None:
        if self.lease is None or self.lease.waker.silence():
            self._look()

    def _rung(self) -> None:
        if self.lease is not None and not self.lease.bell.silence():
            # The server has hung up, on the other line too: the next look makes both anew.
            self.lease.bell.take_down()
            self.lease.line.hang_up()
        self._look()

    def _said(self) -> None:
        """Nothing to do yet: each turn hears what was said."""

    def _look(self) -> None:
        for channel in self.channels:
            channel.look()

    # Without a loop.

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:
        """Deliver what is there, or wait for it.

        Raises: socket.timeout after `timeout` seconds without a message.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._deliver_all():
            left_s = _SLEEP_S if deadline is None else deadline - time.monotonic()
            if left_s <= 0:
                raise socket.timeout  # noqa: UP041 - the name kombu's documentation promises
            self._sleep(min(left_s, self._until_next()))

    def _deliver_all(self) -> int:
        channels = list(self.channels)
        # First what was said, on whatever channel: a task that was sent after its revoke is not to run before it.
        heard = sum(channel.hear() for channel in channels)
        return heard + sum(channel.deliver() for channel in channels)

    def _sleep(self, span_s: float) -> None:
        sources = self._sources()
        if not sources:
            time.sleep(span_s)
            return
        for descriptor in readable(sources, span_s):
            sources[descriptor]()

    def _until_next(self) -> float:
        looks_s = min((channel.look_every_s for channel in self.channels), default=_SLEEP_S)
        due = self._next_due()
        return looks_s if due is None else min(max(due - self.clock.wall(), 0.0), looks_s)

    def _next_due(self) -> float | None:
        return min(
            (channel.next_due for channel in self.channels if channel.next_due is not None), default=None
        )

    # In kombu's event loop.

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        self._loop = loop
        self._watch(loop)
        loop.on_tick.add(self._turn)

    def unregister_from_event_loop(self, connection: Any, loop: Any) -> None:
        if loop is None:
            return
        loop.on_tick.discard(self._turn)
        self.loop_thread = 0
        if self._due_entry is not None:
            self._due_entry.cancel()
            self._due_entry = None
        for descriptor in list(self._watched):
            loop.remove_reader(descriptor)
        self._watched.clear()
        self._loop = None

    def _watch(self, loop: Any) -> None:
        """Bring the descriptors that the loop watches up to date: connections come and go."""
        sources = self._sources()
        if sources.keys() != self._watched.keys():
            for descriptor in self._watched.keys() - sources.keys():
                loop.remove_reader(descriptor)
            for descriptor in sources.keys() - self._watched.keys():
                loop.add_reader(descriptor, sources[descriptor])
            self._watched = sources

    def _turn(self) -> None:
        """Deliver before each sleep of the loop, and see to it that it wakes for the next delayed message."""
        self.loop_thread = threading.get_ident()
        delivered = self._deliver_all()
        has_new_alarm = self._set_alarm()
        if self._loop is not None:
            self._watch(self._loop)
        if (delivered or has_new_alarm) and self.lease is not None:
            # The loop has settled already how long it sleeps. It must not: Celery queues acks for its next turn, and
            # only a new turn sees the alarm.
            self.lease.waker.ring(is_news=False)

    def _set_alarm(self) -> bool:
        """Have the loop wake for the next delayed message, or the next look; say whether that is news."""
        due = self._next_due()
        looks_s = self._until_next()
        if looks_s < _SLEEP_S and (due is None or due > self.clock.wall() + looks_s):
            due = self.clock.wall() + looks_s  # nobody rings here
        if due is None or self._loop is None or (self._due_at is not None and due >= self._due_at):
            return False
        if self._due_entry is not None:
            self._due_entry.cancel()
        self._due_entry = self._loop.call_later(max(due - self.clock.wall(), 0.0), self._came_due)
        self._due_at = due
        return True

    def _came_due(self) -> None:
        self._due_entry = self._due_at = None
        self._look()


class SentinelTransport(Transport):
    """`sentinel://host:port;sentinel://host:port`, with the option `master_name`."""

    default_port = 26379
    Channel = SentinelChannel
