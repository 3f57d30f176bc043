"""The kombu transport of the embedded broker: connections, and their place in an event loop."""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
import time
from typing import Any

from kombu.transport import virtual

from celeriac.clock import SYSTEM, Clock
from celeriac.errors import BrokerUnavailable
from celeriac.transports.before_acks import BeforeAcks, before_acks_of
from celeriac.transports.sending import ROOM_PATIENCE_S
from celeriac.transports.sqlite.channel import Channel
from celeriac.transports.sqlite.file import PATIENCE_S
from celeriac.transports.sqlite.lease import Lease
from celeriac.transports.sqlite.location import locate
from celeriac.transports.sqlite.messages import LetterRule
from celeriac.transports.sqlite.store import Store

#: how long a loop sleeps at most, so that a wall clock set forward is noticed, seconds
_SLEEP_S = 1.0


class Transport(virtual.Transport):
    """`sqlite:///path?durability=full|relaxed&lease=10s`.

    Transport options: `letters_queue` (default "celeriac.dead"), `letters_after` (deliveries before poison, 3),
    `queues` ({name: {"max_length": int, "when_full": "block" | "reject"}}), `consumer_name`, `clock`, `lease` (seconds;
    over the URL's), `before_acks` (names a BeforeAcks: results that are gathered must go first), `send_within` (seconds
    that a send may wait for the file or for room; given to connections that only send).
    """

    Channel = Channel
    can_parse_url = True
    default_port = None
    driver_type = "sqlite"
    driver_name = "sqlite3"
    implements = virtual.Transport.implements.extend(
        asynchronous=True,
        batch_publish=True,
        exchange_type=frozenset(["direct", "topic", "fanout"]),
    )
    connection_errors = (*virtual.Transport.connection_errors, BrokerUnavailable)

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        options = self._options = client.transport_options
        self.location = locate(client.hostname)
        self.store = Store(self.location, float(options.get("send_within", PATIENCE_S)))
        self.clock: Clock = options.get("clock", SYSTEM)
        self.queue_bounds: dict[str, dict[str, Any]] = options.get("queues", {})
        self.is_for_sending = "send_within" in options
        self.room_patience_s = float(options.get("send_within", ROOM_PATIENCE_S))
        self.before_acks: BeforeAcks = before_acks_of(options)
        self.lease: Lease | None = None
        self._lease_pid = 0
        self._letters = (options.get("letters_queue", "celeriac.dead"), options.get("letters_after", 3))
        self._rule: LetterRule | None = None
        self._loop: Any = None
        self.loop_thread = 0
        self._due_entry: Any = None
        self._due_at: float | None = None

    def driver_version(self) -> str:
        return sqlite3.sqlite_version

    def as_uri(self, uri: str, include_password: bool = False, mask: str = "**") -> str:
        return uri

    @property
    def letter_rule(self) -> LetterRule:
        if self._rule is None:
            self._rule = LetterRule(*self._letters, broker=self.store.identity())
        return self._rule

    # Connections.

    def close_connection(self, connection: Any) -> None:
        self.unregister_from_event_loop(connection, self._loop)
        super().close_connection(connection)
        lease, self.lease = self.lease, None
        if lease is not None and self._lease_pid == os.getpid():
            lease.close()
            self.before_acks.end()
        self.store.close()

    def take_lease(self) -> Lease:
        """Give this process's lease, opened with the first consumer."""
        if self.lease is None or self._lease_pid != os.getpid():
            options = self._options
            self.lease = Lease(
                self.location,
                name=options.get("consumer_name"),
                lease_s=float(options.get("lease", self.location.lease_s)),
                rule=self.letter_rule,
                clock=self.clock,
                on_tick=self._tend,
            )
            self._lease_pid = os.getpid()
            self.before_acks.begin()
            if self._loop is not None:
                self._loop.add_reader(self.lease.bell.fileno(), self._rung)
        return self.lease

    def _tend(self) -> None:
        for channel in list(self.channels):
            channel.tend()

    # Without a loop.

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:
        """Deliver what is there, or wait for it.

        Raises: socket.timeout after `timeout` seconds without a message.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._deliver_rung():
            left_s = _SLEEP_S if deadline is None else deadline - time.monotonic()
            if left_s <= 0:
                raise socket.timeout  # noqa: UP041 - the name kombu's documentation promises
            self._sleep(min(left_s, _SLEEP_S, self._until_due()))

    def _deliver_rung(self) -> int:
        if self.lease is not None and self.lease.bell.wait(0):
            self._rung()
        return self._deliver_all()

    def _deliver_all(self) -> int:
        # First what was said to everybody, on whatever channel: a task that was sent after its revoke is not to run
        # before it.
        channels = sorted(self.channels, key=lambda channel: not channel.is_unacked_only())
        return sum(channel.deliver() for channel in channels)

    def _sleep(self, span_s: float) -> None:
        if self.lease is None:
            time.sleep(span_s)
        else:
            self.lease.bell.wait(span_s)

    def _rung(self) -> None:
        if self.lease is not None:
            self.lease.bell.silence()
        for channel in self.channels:
            channel.look()

    def _until_due(self) -> float:
        due = min(
            (channel.next_due for channel in self.channels if channel.next_due is not None), default=None
        )
        return _SLEEP_S if due is None else max(due - self.clock.wall(), 0.0)

    # In kombu's event loop.

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        self._loop = loop
        if self.lease is not None:
            loop.add_reader(self.lease.bell.fileno(), self._rung)
        loop.on_tick.add(self._turn)

    def unregister_from_event_loop(self, connection: Any, loop: Any) -> None:
        if loop is None:
            return
        loop.on_tick.discard(self._turn)
        self.loop_thread = 0
        if self._due_entry is not None:
            self._due_entry.cancel()
            self._due_entry = None
        if self.lease is not None:
            loop.remove_reader(self.lease.bell.fileno())
        self._loop = None

    def _turn(self) -> None:
        """Deliver before each sleep of the loop, and see to it that it wakes for the next delayed message."""
        self.loop_thread = threading.get_ident()
        delivered = self._deliver_all()
        has_new_alarm = self._set_alarm()
        if (delivered or has_new_alarm) and self.lease is not None:
            # The loop has settled already how long it sleeps. It must not: Celery queues acks for its next turn, and
            # only a new turn sees the alarm.
            self.lease.bell.ring()

    def _set_alarm(self) -> bool:
        """Have the loop wake for the next delayed message; say whether that is news."""
        due = min(
            (channel.next_due for channel in self.channels if channel.next_due is not None), default=None
        )
        if due is None or due == self._due_at or self._loop is None:
            return False
        if self._due_entry is not None:
            self._due_entry.cancel()
        self._due_entry = self._loop.call_later(max(due - self.clock.wall(), 0.0), self._came_due)
        self._due_at = due
        return True

    def _came_due(self) -> None:
        self._due_entry = self._due_at = None
        for channel in self.channels:
            channel.look()
