"""The life of a slot's process: set up as a prefork child is, consume and run until it is told to stop, leave."""

from __future__ import annotations

import gc
import os
import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from billiard.common import clear_terminate_handler_fired
from celery.concurrency.prefork import process_destructor, process_initializer
from celery.exceptions import TaskRevokedError, WorkerShutdown, WorkerTerminate
from celery.worker import state as celery_state
from kombu.asynchronous import Hub, set_event_loop
from kombu.asynchronous.timer import Timer as LoopTimer

from celeriac.pools.processes.answers import Answers
from celeriac.pools.processes.copy import Copy
from celeriac.pools.processes.page import Page
from celeriac.pools.processes.slot import GUARD, WIRE
from celeriac.pools.processes.work import SlotPool

#: what a slot exits by when it has run, or grown, as much as it may
SPENT = 155


#: Celery leaves its types to inference
state: Any = celery_state


class Child:
    """What a slot's consumer takes for its worker: Celery's controller, as far as a consumer asks it.

    options: of the pool: `timeout` and the like, as Celery hands them to pools.
    count: how many slots the worker has, all of which share a rate limit.
    """

    semaphore = None
    max_concurrency = None
    use_eventloop = True
    state = state

    def __init__(
        self,
        app: Any,
        hostname: str,
        page: Page,
        line: Connection,
        *,
        copy: Copy,
        descriptors: socket.socket,
        consumer: Any,
        options: dict[str, Any],
        settings: dict[str, Any],
        count: int,
    ) -> None:
        self.app, self.hostname = app, hostname
        self._page, self._line, self.count = page, line, count
        self._copy, self._descriptors = copy, descriptors
        self._make_consumer, self._settings = consumer, settings
        self._to_do: deque[Callable[[], Any]] = deque()
        self._doors = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._pool_options = options
        self.time_limit: float | None = options.get("timeout")
        self.soft_time_limit: float | None = options.get("soft_timeout")
        self.exitcode = 0

    def live(self) -> int:
        """Run until told to stop. Returns: the exit code of the process."""
        revoked, stamps = list(state.revoked), dict(state.revoked_stamps)
        clear_terminate_handler_fired()
        set_event_loop(None)
        process_initializer(self.app, self.hostname)
        gc.enable()
        # The parent's revokes are in force here too; Celery begins a child without them.
        state.revoked.update(revoked)
        state.revoked_stamps.update(stamps)
        state.should_stop = state.should_terminate = None
        self._be_named()
        try:
            self._consume()
        finally:
            process_destructor(os.getpid(), self.exitcode)
        return self.exitcode

    def _consume(self) -> None:
        options = self._pool_options
        self.hub = Hub(LoopTimer(max_interval=10.0))
        set_event_loop(self.hub)
        self.timer = self.hub.timer
        self.pool = SlotPool(
            self._page,
            app=self.app,
            limits=(self.soft_time_limit or 0.0, self.time_limit or 0.0),
            most_tasks=options.get("maxtasksperchild"),
            most_kib=options.get("max_memory_per_child"),
            on_spent=self._be_spent,
        )
        self.consumer = self._make_consumer(
            self._run,
            hostname=self.hostname,
            pool=self.pool,
            timer=self.timer,
            app=self.app,
            controller=self,
            hub=self.hub,
            init_callback=self._begin,
            # A task that computes keeps the loop from beating, and a dead slot's connection is closed by the kernel.
            amqheartbeat=0,
            worker_options={"without_mingle": True},
            **self._settings,
        )
        threading.Thread(
            target=Answers(self, self._line).serve, name="celeriac-slot-answers", daemon=True
        ).start()
        self.pool.hear_signals()
        # Whatever else ends this process leaves all it has to the parent, what it ran included.
        with suppress(WorkerShutdown, WorkerTerminate):
            self.consumer.start()
        self.consumer.blueprint.stop(self.consumer)
        self.consumer.shutdown()

    def _be_named(self) -> None:
        """Be known to a broker of ours under the worker's name."""
        conf: Any = self.app.conf
        if hasattr(getattr(self.app.connection_for_read().transport, "Channel", None), "inherit"):
            conf.broker_transport_options = {**conf.broker_transport_options, "consumer_name": self.hostname}

    def stop(self) -> None:
        """Finish what runs, give the rest back, and end. From any thread."""
        state.should_stop = self.exitcode
        self.call_soon(_nothing)

    def call_soon(self, call: Callable[[], Any]) -> None:
        """Have the loop call this between two tasks. From any thread."""
        self._to_do.append(call)
        with suppress(BlockingIOError):  # it is awake already
            os.write(self._doors[1], b"!")

    def listen_in(self, hub: Any) -> None:
        """Hear `call_soon` in this loop; asked for anew whenever the consumer has connected anew."""
        hub.add_reader(self._doors[0], self._do)
        if self.consumer.connection.transport.driver_type == "amqp":
            self._send(WIRE, self.consumer.connection.connection.transport.sock.fileno())

    def register_with_event_loop(self, hub: Any) -> None:
        """Nothing: the pool of a slot needs no loop."""

    def share(self, bucket: Any) -> Any:
        """Give a slot its share of a rate limit, which is the whole worker's."""
        if bucket is not None:
            bucket.fill_rate /= self.count
        return bucket

    def _do(self) -> None:
        os.read(self._doors[0], 4096)
        while self._to_do:
            self._to_do.popleft()()

    def _run(self, request: Any) -> None:
        if state.should_stop is not None:
            return  # it came in the same turn as the last task; what is not acked goes back when this process ends
        identity = getattr(request.message.channel, "consumer_id", "")
        if identity != self._identity:
            self._introduce(request.message.channel)
        if not identity or not request.task.acks_late:
            self._copy.write(request.message)
        self.pool.request = request
        # Revoked by its stamp: said, stored and acked by then.
        with suppress(TaskRevokedError):
            request.execute_using_pool(self.pool)

    _identity = ""

    def _introduce(self, channel: Any) -> None:
        """Tell the parent who consumes here, and have it settle for us."""
        self._identity = getattr(channel, "consumer_id", "")
        self._page.introduce(self._identity)
        guard = channel.guard() if self._identity else None
        if guard is not None:
            # Our own stays open: only together with the parent's does it end.
            self._guard = guard
            self._send(GUARD, guard.fileno())

    def _begin(self, consumer: Any) -> None:
        self._introduce(consumer.task_consumer.channel)

    def _send(self, kind: bytes, descriptor: int) -> None:
        with suppress(OSError):  # the parent has gone
            socket.send_fds(self._descriptors, [kind], [descriptor])

    def _be_spent(self) -> None:
        if state.should_stop is None:
            self.exitcode = SPENT
            state.should_stop = SPENT


def _nothing() -> None:
    """Only wakes the loop, which then sees that it is to stop."""
