"""A process's lease on the queues it reads: kept alive by a thread of its own, however long a task runs.

    (none) ── read ──▶ live ── renew, before its end ──▶ live
                         ├── leave ──────────▶ gone: its messages go back, uncounted
                         └── silent too long ─▶ gone: what it had started is counted, the rest goes back

Whoever reads the same queue reaps, and only after it has itself reached the server all the while: a server that was
away for a minute must not find all its consumers dead. A consumer that is gone never comes back; the process enrols
again under a new id, and acks under the old one find nothing to remove.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import msgspec

from celeriac.errors import BrokerError
from celeriac.events import emit
from celeriac.transports.redis.bell import Bell
from celeriac.transports.redis.keys import Keys
from celeriac.transports.redis.line import Line
from celeriac.transports.redis.scripts import INTRODUCE, REAP, RENEW
from celeriac.transports.waker import Waker

_TICK_S = 0.25
#: how long the marks of messages that went back are kept after the last of them, seconds
MARKS_KEPT_S = 7 * 86_400

logger = logging.getLogger(__name__)


class Lease:
    """Holds one consumer id after another: one that has lapsed is given up for a new one.

    consumer: the id now; what was fetched under an earlier one is no longer ours.
    line: what is fetched and settled by. bell: told when there may be something to fetch. waker: rung by our threads.
    """

    def __init__(
        self,
        make_pool: Callable[[], Any],
        at: str,
        keys: Keys,
        *,
        name: str | None,
        lease_s: float,
        on_tick: Callable[[], None],
        running: Callable[[], list[tuple[str, int]]],
    ) -> None:
        pool = make_pool()
        self._pool = pool
        self._keys = keys
        self._host = socket.gethostname()
        self._name = name or f"{self._host}:{os.getpid()}"
        self._lease_s = lease_s
        self._on_tick = on_tick
        self._running = running
        self._said_running: list[tuple[str, int]] = []
        self._queues: dict[str, None] = {}
        self._heard: dict[str, None] = {}
        self._seen: dict[tuple[str, str], tuple[str, float]] = {}
        self._renewed_at = 0.0
        self._changing = threading.RLock()
        self._over = threading.Event()
        self._is_troubled = False
        self.waker = Waker()
        self.bell = Bell(pool)
        self.line = Line(pool, at, on_connect=self.bell.hang)
        self._keeping = Line(pool, at)
        self.consumer = uuid4().hex[:16]
        self._keeper = threading.Thread(target=self._keep, name="celeriac-lease", daemon=True)
        self._keeper.start()

    @property
    def reaches_server(self) -> bool:
        """Say whether the server has answered lately: within half a lease, in which it is asked several times."""
        return time.monotonic() - self._renewed_at < max(self._lease_s / 2, 2.0)

    def read(self, queue: str) -> None:
        """Begin a lease on this queue. Raises: BrokerUnavailable, BrokerError."""
        if queue in self._queues:
            return
        with self._changing:
            self._queues[queue] = None
            self._keeping.run(RENEW, [self._keys.leases(queue)], (self.consumer, self._lease_ms, 1))
            self._introduce()
            self._renewed_at = time.monotonic()

    def hear(self, queue: str) -> None:
        """Be known to listen for broadcasts under this name, by which a worker is told from others."""
        with self._changing:
            if queue not in self._heard:
                self._heard[queue] = None
                self._introduce()

    def stop_reading(self, queue: str) -> None:
        """Give back what is held of this queue, and end the lease on it."""
        with self._changing:
            if queue in self._queues:
                del self._queues[queue]
                self._leave(queue)

    def lapsed(self, consumer: str) -> None:
        """Give up this id, if it is still ours, and enrol anew.

        Raises: BrokerUnavailable, BrokerError; then nothing is fetched until a renewal has enrolled us.
        """
        with self._changing:
            if consumer != self.consumer:
                return
            emit("broker", "broker.lease_lapsed", consumer=self._name, returned="its")
            self.consumer = uuid4().hex[:16]
            self._seen.clear()
            self._said_running = []
            commands: list[tuple[str, ...]] = [("DEL", self._keys.consumer(consumer))]
            commands += [("DEL", self._keys.started(queue, consumer)) for queue in self._queues]
            self._keeping.call_all(commands)
            for queue in self._queues:
                self._keeping.run(RENEW, [self._keys.leases(queue)], (self.consumer, self._lease_ms, 1))
            self._introduce()
        self.waker.ring()

    def end_other(self, consumer: str, queues: Sequence[str]) -> None:
        """End the lease of another consumer, which has died. Raises: BrokerUnavailable, BrokerError."""
        for queue in queues:
            self._keeping.run(REAP, self._keys.of_queue(queue, consumer), (consumer, "", MARKS_KEPT_S))
        self._keeping.call("DEL", self._keys.consumer(consumer))

    def close(self) -> None:
        """Hand back what is held, and end."""
        if self._over.is_set():
            return
        self._over.set()
        if threading.current_thread() is not self._keeper:
            self._keeper.join(timeout=5.0)
        try:
            for queue in list(self._queues):
                self._leave(queue)
            self._keeping.call("DEL", self._keys.consumer(self.consumer))
        except BrokerError as error:
            # The lease ends by itself: others will find the messages by that.
            logger.warning("could not leave the broker in good order: %s", error.message)
        self.bell.take_down()
        self.bell.clear_away()
        self.line.hang_up()
        self._keeping.hang_up()
        self._pool.disconnect()
        self.waker.close()

    @property
    def _lease_ms(self) -> int:
        return round(self._lease_s * 1000)

    def _leave(self, queue: str) -> None:
        self._keeping.run(REAP, self._keys.of_queue(queue, self.consumer), (self.consumer, "", MARKS_KEPT_S))

    def _introduce(self) -> None:
        """Say who this consumer is and what it runs, to whoever looks."""
        said: dict[str, str | bytes] = {
            "name": self._name,
            "host": self._host,
            "pid": str(os.getpid()),
            "queues": "\n".join((*self._queues, *self._heard)),
            "running": msgspec.json.encode(self._said_running),
        }
        self._keeping.run(
            INTRODUCE,
            [self._keys.consumer(self.consumer)],
            (self._lease_ms * 3, *(part for pair in said.items() for part in pair)),
        )

    def _keep(self) -> None:
        every_s = min(1.0, self._lease_s / 5)
        while not self._over.wait(min(_TICK_S, every_s)):
            try:
                if time.monotonic() - self._renewed_at >= every_s:
                    self._renew()
                    self._is_troubled = False
                self._on_tick()
            except Exception as error:  # whatever it is, without this thread the lease would end
                if not self._is_troubled:
                    emit("broker", "broker.trouble", error=getattr(error, "message", repr(error)))
                self._is_troubled = True

    def _renew(self) -> None:
        asked_at = time.monotonic()
        if asked_at - self._renewed_at > self._lease_s / 2:
            # We were away ourselves: what did not change meanwhile says nothing of the others.
            self._seen.clear()
        with self._changing:
            consumer, queues = self.consumer, list(self._queues)
            for queue in queues:
                said = self._keeping.run(RENEW, [self._keys.leases(queue)], (consumer, self._lease_ms, 0))
                if said[0] != b"1":
                    self.lapsed(consumer)
                    break
                for other, ends in zip(said[1::2], said[2::2], strict=True):
                    self._observe(queue, other.decode(), ends.decode(), asked_at)
            self._say_what_runs()
            self._renewed_at = asked_at

    def _say_what_runs(self) -> None:
        running = self._running()
        if running != self._said_running:
            self._said_running = running
            self._introduce()
        else:
            self._keeping.call("PEXPIRE", self._keys.consumer(self.consumer), self._lease_ms * 3)

    def _observe(self, queue: str, other: str, ends: str, now: float) -> None:
        """Reap another consumer whose lease is over and has not changed while we looked on."""
        if other == self.consumer:
            return
        seen_ends, since = self._seen.get((queue, other), ("", 0.0))
        if seen_ends != ends:
            self._seen[queue, other] = (ends, now)
            return
        if now - since < self._lease_s:
            return
        del self._seen[queue, other]
        done = self._keeping.run(REAP, self._keys.of_queue(queue, other), (other, ends, MARKS_KEPT_S))
        if done and done[0]:
            emit("broker", "broker.lease_lapsed", consumer=other, returned=done[0])
