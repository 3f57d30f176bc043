"""The pool Celery talks to in the parent: keeps the slots filled, their limits kept, and their deaths settled."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any

from celery.concurrency.base import BasePool
from celery.utils.log import get_logger
from celery.worker import state

from celeriac.errors import AppError
from celeriac.pools.processes.burial import Dead, bury
from celeriac.pools.processes.child import SPENT
from celeriac.pools.processes.mirror import Mirror
from celeriac.pools.processes.slot import Slot
from celeriac.pools.processes.starting import Starter

#: how often limits are looked at; a limit is kept that exactly
_WATCH_EVERY_S = 0.05
#: how often deaths are looked for where the kernel does not tell
_TEND_EVERY_S = 0.25
#: a process that ended this soon makes the next wait, longer each time
_TOO_SOON_S, _FIRST_PAUSE_S, _MOST_PAUSE_S = 2.0, 0.1, 10.0
#: how long idle slots have to leave in good order when the worker is told to drop what runs
_LEAVE_S = 0.5
#: how long a stopping worker tries to settle what a slot has left, while its broker is away
_SETTLE_S = 5.0

logger = get_logger(__name__)


class TaskPool(BasePool):
    """One process per slot; tasks never pass through here, so `apply_async` is never called."""

    limit: int
    signal_safe = False
    #: gives the parent's consumer class, made of the worker's; `celeriac.app` looks here
    casting = "celeriac.pools.processes.roles:parent_of"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._hostname = str(options["initargs"][1])
        self.slots: list[Slot] = []
        self.mirror = Mirror(self.app, self._hostname)
        self._starter = Starter(self.app, self._hostname, self.options)
        self.is_stopping = False
        self._is_dropping = False
        self._is_waited_for = False
        self._unsettled: list[Dead] = []
        self._consumer: Any = None
        self._hub: Any = None
        self._told_trouble = False
        self._over = threading.Event()
        self._soonest = 0.0
        self._pause_s = _FIRST_PAUSE_S
        self._handlers: tuple[Any, ...] = ()
        #: when Celery began to wait for what runs, to drop it then; monotonic seconds
        self._dropping_since: float | None = None

    # What Celery asks.

    def on_start(self) -> None:
        """Fork the slots, from a parent that has imported what they will use."""
        self._starter.warm()
        self._fill()
        self._handlers = _shutdown_handlers()
        threading.Thread(target=self._watch, name="celeriac-limits", daemon=True).start()

    def on_close(self) -> None:
        """Have the slots finish: the worker takes no more tasks."""
        self.is_stopping = True
        for slot in self.slots:
            slot.stop()

    def on_stop(self) -> None:
        """Wait for every slot, however long its task takes; who stops the worker bounds that."""
        self._is_waited_for = False
        self.on_close()
        if state.should_terminate is not None and state.should_terminate is not False:
            self._cut_short()
        self._see_out()

    def on_terminate(self) -> None:
        """End every slot; what ran goes back to its queue, uncounted."""
        self._is_waited_for = False
        self.on_close()
        leave_by = time.monotonic() + _LEAVE_S
        while any(slot.run() is None for slot in self.slots) and time.monotonic() < leave_by:
            self._sleep()
            self.tend()
        self._is_dropping = True
        for slot in self.slots:
            slot.signal(signal.SIGKILL)
        self._see_out()

    def terminate_job(self, pid: int, signal: int | None = None) -> None:
        """Nothing: a task in a slot is ended by its `Mirrored` request."""

    def restart(self) -> None:
        """Have each slot end after what it runs; new ones take their places."""
        for slot in self.slots:
            slot.stop()

    def grow(self, n: int = 1) -> None:
        """Add slots."""
        self.limit += n
        self._fill()
        self._share()

    def shrink(self, n: int = 1) -> None:
        """Take slots away, idle ones first; a busy one goes when its task has ended."""
        staying = [slot for slot in self.slots if not slot.is_leaving]
        n = min(n, len(staying) - 1)
        self.limit -= max(n, 0)
        for slot in sorted(staying, key=lambda slot: slot.run() is not None)[: max(n, 0)]:
            slot.stop()
        self._share()

    def _get_info(self) -> dict[str, Any]:
        options = self.options
        return {
            **super()._get_info(),
            "processes": [slot.pid for slot in self.slots],
            "max-tasks-per-child": options.get("maxtasksperchild") or "N/A",
            "timeouts": (options.get("soft_timeout") or 0, options.get("timeout") or 0),
        }

    @property
    def consumers(self) -> int:
        """How many consumers this worker is to its broker; an autoscaler asks."""
        return max(len(self.slots), 1)

    # What the parent's consumer asks.

    def attend(self, consumer: Any) -> None:
        """Know the worker's consumer."""
        self._consumer = consumer

    def require(self, connection: Any) -> None:
        """See that the broker lets a parent settle for its slots.

        Raises: AppError APP-060.
        """
        transport = connection.transport
        is_plain_amqp = transport.driver_type == "amqp" and not connection.ssl
        if not (hasattr(getattr(transport, "Channel", None), "inherit") or is_plain_amqp):
            raise AppError(
                "APP-060",
                f"the executor processes cannot settle for its slots on {connection.as_uri()}",
                known=["sqlite://", "redis://", "rediss://", "sentinel://", "amqp://"],
                fix='write executor = "prefork" for this pool',
            )

    def watch_in(self, hub: Any) -> None:
        """Tend the slots from this loop; asked for anew whenever the consumer has connected anew."""
        self._hub = hub
        hub.call_repeatedly(_TEND_EVERY_S, self.tend)
        for slot in self.slots:
            self._watch_end(slot)
        if state.revoked:
            # Of a mingle, which was after the fork.
            revoked: Any = state.revoked
            self.tell("revoke", task_ids=list(revoked))

    def tell(self, verb: str, **arguments: Any) -> None:
        """Tell all slots something."""
        for slot in self.slots:
            slot.say(verb, **arguments)

    def refresh(self) -> None:
        """Bring Celery's state in step with what the slots say."""
        self.mirror.refresh(self.slots)

    def tend(self) -> None:
        """See who has ended, settle what is left, fill the slots, and keep Celery's state in step."""
        for slot in list(self.slots):
            if slot.process is None:
                continue
            slot.take_descriptors()
            if slot.exit_code() is not None:
                self._on_end(slot)
        self._settle()
        if not self.is_stopping:
            self._fill()
        self.mirror.glance(self.slots)

    # Filling.

    def _fill(self) -> None:
        while not self.is_stopping and time.monotonic() >= self._soonest:
            empty = next((it for it in self.slots if it.process is None and not it.is_unsettled), None)
            if empty is None:
                if len([slot for slot in self.slots if not slot.is_leaving]) >= self.limit:
                    return
                numbers = {slot.number for slot in self.slots}
                number = next(it for it in range(1, len(numbers) + 2) if it not in numbers)
                empty = Slot(number, sorted(self.app.tasks))
                self.slots.append(empty)
            self._start(empty)

    def _start(self, slot: Slot) -> None:
        others = [each for each in self.slots if each is not slot]
        self._starter.start(slot, others=others, consumer=self._consumer, hub=self._hub, count=self.limit)
        self._watch_end(slot)

    def _share(self) -> None:
        """Tell the slots how many they are: a rate limit is the whole worker's."""
        self.tell("count", count=self.limit)

    def _watch_end(self, slot: Slot) -> None:
        """Have the loop tend at once when a slot's process ends."""
        if self._hub is None or slot.process is None or slot.process.exitcode is not None:
            return
        hub, sentinel = self._hub, slot.process.sentinel

        def ended() -> None:
            hub.remove_reader(sentinel)
            self.tend()

        hub.add_reader(sentinel, ended)

    # Ends.

    def _on_end(self, slot: Slot) -> None:
        code, run = slot.exit_code() or 0, slot.run()
        slot.take_descriptors()
        consumer, order = slot.page.consumer(), slot.order
        if self._hub is not None:
            with suppress(Exception):
                self._hub.remove_reader(slot.process.sentinel)
        slot.hang_up()
        slot.process = None
        if code in (0, SPENT):
            self._pause_s = _FIRST_PAUSE_S
            self._make_free(slot)
            return
        if run is None or order is None:
            logger.error("Slot-%d (%d) has ended by %s", slot.number, slot.pid, _said(code))
        if time.monotonic() - slot.started_at < _TOO_SOON_S:
            self._soonest = time.monotonic() + self._pause_s
            self._pause_s = min(self._pause_s * 2, _MOST_PAUSE_S)
        slot.is_unsettled = True
        self._unsettled.append(Dead(slot, slot.pid, code, run, consumer, order, self._is_dropping))

    def _make_free(self, slot: Slot) -> None:
        slot.is_unsettled = False
        slot.release()
        if slot.is_leaving or self.is_stopping:
            self.slots.remove(slot)
            self.mirror.let_go(slot)
            slot.close()

    def _settle(self) -> None:
        while self._unsettled:
            dead = self._unsettled[0]
            try:
                bury(self.app, self._hostname, self._consumer, dead)
            except Exception as error:  # the broker is away; this is tried until it is back
                if not self._told_trouble:
                    logger.warning("what Slot-%d left cannot be settled yet: %r", dead.slot.number, error)
                self._told_trouble = True
                return
            self._told_trouble = False
            self._unsettled.pop(0)
            self._make_free(dead.slot)

    # Watching.

    def _watch(self) -> None:
        while not self._over.wait(_WATCH_EVERY_S):
            now = time.monotonic()
            for slot in list(self.slots):
                slot.keep_limits(now)
            if not self.is_stopping and _shutdown_handlers() != self._handlers:
                # Celery waits in a signal handler for what runs, and will then drop it: no more may be begun.
                self._dropping_since = now
                self.on_close()
                self._is_waited_for = True
            if self._is_waited_for:
                # Nobody tends meanwhile, and Celery will look what there is to drop.
                self.mirror.glance(self.slots)

    def _sleep(self) -> None:
        wait([slot.process.sentinel for slot in self.slots if slot.process is not None], _WATCH_EVERY_S)

    def _cut_short(self) -> None:
        """End what outlasts the grace of a cold stop.

        Celery has waited and dropped already, by what it knew to run: not by a task that had begun just before.
        """
        now = time.monotonic()
        give_up_at = (self._dropping_since or now) + self.app.conf.worker_soft_shutdown_timeout
        while any(slot.run() is not None for slot in self.slots) and time.monotonic() < give_up_at:
            self._sleep()
            self.tend()
        self.mirror.glance(self.slots)
        self.mirror.drop(self)

    def _see_out(self) -> None:
        """Wait for the processes that are left, and settle what they leave."""
        while any(slot.process is not None for slot in self.slots):
            self._sleep()
            self.tend()
        give_up_at = time.monotonic() + _SETTLE_S
        while self._unsettled and time.monotonic() < give_up_at:
            self._settle()
            self._over.wait(_WATCH_EVERY_S)
        self._over.set()


def _shutdown_handlers() -> tuple[Callable[..., Any] | int | None, ...]:
    """Give what Celery does at the signals that drop tasks; it puts others in their places when it begins to."""
    return signal.getsignal(signal.SIGQUIT), signal.getsignal(signal.SIGINT)


def _said(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
