"""A process's lease on the broker: kept alive by a thread of its own, so that a task may run as long as it likes."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from uuid import uuid4

from celeriac.clock import Clock
from celeriac.errors import BrokerError
from celeriac.events import emit
from celeriac.transports.sqlite import consumers, doorbell, messages, queues
from celeriac.transports.sqlite.doorbell import Doorbell
from celeriac.transports.sqlite.location import Location
from celeriac.transports.sqlite.messages import LetterRule
from celeriac.transports.sqlite.page import Page
from celeriac.transports.sqlite.store import Store

_TICK_S = 0.25
_REAP_EVERY_S = 1.0
_SWEEP_EVERY_S = 5.0

logger = logging.getLogger(__name__)


class Lease:
    """Holds one consumer number after another: a lapsed one is given up for a new one.

    number: the consumer's number now; what was fetched under an earlier one is no longer ours.
    bell: rung when there may be something to fetch.
    """

    def __init__(
        self,
        location: Location,
        *,
        name: str | None,
        lease_s: float,
        rule: LetterRule,
        clock: Clock,
        on_tick: Callable[[], None],
    ) -> None:
        self._store = Store(location)
        self._folder = location.folder
        self._host = socket.gethostname()
        self._name = name or f"{self._host}:{os.getpid()}"
        self._lease_s = lease_s
        self._rule = rule
        self._clock = clock
        self._on_tick = on_tick
        self._queues: set[str] = set()
        self._changing = threading.RLock()
        self._over = threading.Event()
        self._pid = os.getpid()
        self.bell = Doorbell(self._folder, f"{os.getpid()}-{uuid4().hex[:12]}")
        self.number, self.page = self._enroll()
        self._reap()
        self._keeper = threading.Thread(target=self._keep, name="celeriac-lease", daemon=True)
        self._keeper.start()

    def _enroll(self) -> tuple[int, Page]:
        with self._store.writing() as db:
            number = consumers.enroll(
                db, name=self._name, host=self._host, lease_s=self._lease_s, clock=self._clock
            )
            for queue in self._queues:
                consumers.read(db, number, queue)
            # The page is there before anybody else can see the consumer: a missing one would look like a dead owner's.
            return number, Page(self._folder, number)

    def read(self, queue: str) -> None:
        """Be woken for this queue, and count as one of its readers."""
        with self._changing:
            self._queues.add(queue)
            self.bell.hang(queue)
            with self._store.writing() as db:
                consumers.read(db, self.number, queue)

    def stop_reading(self, queue: str) -> None:
        with self._changing:
            self._queues.discard(queue)
            self.bell.take_down(queue)
            with self._store.writing() as db:
                consumers.stop_reading(db, self.number, queue, self._clock.wall())

    def lapsed(self, number: int) -> None:
        """Give up this number, if it is still ours, and enrol anew."""
        with self._changing:
            if number == self.number:
                emit("broker", "broker.lease_lapsed", consumer=self._name, returned="its")
                self.page.close()
                self.number, self.page = self._enroll()
                self.bell.ring()

    def close(self) -> None:
        """Hand back what is held, and end."""
        if os.getpid() != self._pid or self._over.is_set():
            return
        self._over.set()
        if threading.current_thread() is not self._keeper:
            self._keeper.join(timeout=5.0)
        try:
            with self._store.writing() as db:
                touched = consumers.leave(db, self.number, self._clock.wall())
            doorbell.ring(self._folder, touched)
        except BrokerError as error:
            # The lock on our page falls with this process: others will find the messages by that.
            logger.warning("could not leave the broker in good order: %s", error.message)
        self.page.close()
        self.bell.close()
        self._store.close()

    def _keep(self) -> None:
        steady = self._clock.steady
        renewed = reaped = steady()
        swept = 0.0
        while not self._over.wait(_TICK_S):
            self._on_tick()
            now = steady()
            try:
                if now - renewed >= self._lease_s / 5:
                    self._renew()
                    renewed = now
                if now - reaped >= min(_REAP_EVERY_S, self._lease_s / 3):
                    self._reap()
                    reaped = now
                if now - swept >= _SWEEP_EVERY_S:
                    self._sweep()
                    swept = now
            except BrokerError as error:
                emit("broker", "broker.trouble", error=error.message)

    def _renew(self) -> None:
        with self._store.writing() as db:
            alive = consumers.renew(db, self.number, self._clock)
        if not alive:
            self.lapsed(self.number)

    def _reap(self) -> None:
        """Give back what dead and silent consumers hold."""
        with self._store.reading() as db:
            gone = consumers.find_gone(db, self._folder, self._clock)
        for number in gone:
            if number == self.number:
                continue  # we are the ones to notice: renewing says whether anybody acted on it
            with self._store.writing() as db:
                # Once more, under the lock: it may have renewed meanwhile.
                still = number in consumers.find_gone(db, self._folder, self._clock)
                done = (
                    consumers.reap(db, self._folder, number, self._rule, self._clock.wall())
                    if still
                    else None
                )
            if done is None:
                continue
            (self._folder / f"{number}.page").unlink(missing_ok=True)
            if done.returned:
                emit("broker", "broker.lease_lapsed", consumer=done.name, returned=done.returned)
            for letter in done.letters:
                emit("broker", "broker.poison", letter=letter)
            doorbell.ring(self._folder, done.queues)

    def _sweep(self) -> None:
        """Remove what has expired, looking before taking the write lock."""
        now = self._clock.wall()
        with self._store.reading() as db:
            needed = messages.any_expired(db, now) or queues.any_unused(db, now)
        if needed:
            with self._store.writing() as db:
                messages.drop_expired(db, now)
                queues.delete_unused(db, now)
