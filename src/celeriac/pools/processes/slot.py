"""A slot as the parent sees it: its process, its page, and what was ordered about what it runs."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Literal, NamedTuple

from billiard.context import ForkProcess

from celeriac.pools.processes.copy import Copy
from celeriac.pools.processes.page import Page, Run
from celeriac.pools.processes.wire import Wire

#: how long a process that was ordered to end has for its `finally` blocks, seconds: after a hard limit as on prefork
_AFTER_LIMIT_S, _AFTER_REVOKE_S = 0.1, 3.0

#: what a descriptor that a slot sends is of
GUARD, WIRE = b"guard", b"wire"

#: told before anything of the new process runs: the ends of pipes that are not its own
Clear = Callable[[], None]


class Order(NamedTuple):
    """What was ordered for one run of a slot.

    why: "limit" (its hard one), "revoked" (and terminated), "cancelled" (the worker stops and cannot wait).
    value: the limit in seconds, or the signal.
    """

    number: int
    why: Literal["limit", "revoked", "cancelled"]
    value: float = 0.0


class Slot:
    """One slot of the pool, and the process that is in it now.

    order: the last one; of a run that is over by now, perhaps. is_leaving: it was told to stop. is_unsettled: what its
    last process left must be settled before there is another.
    """

    def __init__(self, number: int, names: list[str]) -> None:
        self.number = number
        self.page, self.copy = Page(names), Copy()
        self.order: Order | None = None
        self.is_leaving = False
        self.is_unsettled = False
        self._guard: int | None = None
        self.wire: Wire | None = None
        self.started_at = 0.0
        self.pid = 0
        self.process: Any = None
        self.line: Connection | None = None
        self.descriptors: socket.socket | None = None
        self._kill_at = 0.0
        self._softened = 0
        self._asked = 0
        # A process must not be reaped, and its number given to another, while a signal is on its way to it.
        self._ending = threading.RLock()

    def start(self, live: Callable[[Page, Connection, Copy, socket.socket], int], clear: Clear) -> None:
        """Fork a process into this slot; call it in the main thread, whose end ends the process."""
        self.page.begin_anew()
        self.line, theirs = Pipe()
        self.descriptors, their_descriptors = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.descriptors.setblocking(False)

        def run() -> None:
            clear()
            raise SystemExit(live(self.page, theirs, self.copy, their_descriptors))

        self.process = ForkProcess(target=run, name=f"Slot-{self.number}", daemon=True)
        self.process.start()
        theirs.close()
        their_descriptors.close()
        self.pid, self.started_at = self.process.pid, time.monotonic()
        self.order, self.is_leaving, self._kill_at, self._softened = None, False, 0.0, 0

    def exit_code(self) -> int | None:
        """Give what its process has ended by, minus the signal if it was one; None while it lives."""
        with self._ending:
            return self.process.exitcode if self.process is not None else 0

    def signal(self, number: int) -> None:
        """Send its process a signal, if it lives."""
        with self._ending:
            if self.process is not None and self.process.exitcode is None:
                with suppress(ProcessLookupError):
                    os.kill(self.pid, number)

    def keep_limits(self, now: float) -> None:
        """Do what is due: signal a run past a limit, kill a process that was ordered to end and does not."""
        run = self.page.run()
        if self._kill_at and self.order is not None:
            if run is None or run.number != self.order.number:
                self._kill_at = 0.0  # it has ended by itself
            elif now >= self._kill_at:
                self._kill_at = 0.0
                self.signal(signal.SIGKILL)
        elif run is not None:
            spent_s = now - run.since
            if run.hard_s and spent_s >= run.hard_s:
                self.end_run(Order(run.number, "limit", run.hard_s), signal.SIGTERM, _AFTER_LIMIT_S)
            elif run.soft_s and spent_s >= run.soft_s and self._softened != run.number:
                self.soften(run.number)

    def soften(self, number: int) -> None:
        """Raise SoftTimeLimitExceeded in this run."""
        self._softened = number
        self.page.order_end(number, softly=True)
        self.signal(signal.SIGUSR1)

    def end_run(self, order: Order, number: int, patience_s: float = _AFTER_REVOKE_S) -> None:
        """End the process of this run, by this signal at first."""
        if self.order is not None and self.order.number == order.number:
            return
        self.order = order
        self.page.order_end(order.number, softly=False)
        self._kill_at = time.monotonic() + patience_s
        self.signal(number)

    def stop(self) -> None:
        """Have it finish what it runs, give the rest back, and end."""
        if not self.is_leaving:
            self.is_leaving = True
            self.say("stop")

    def say(self, verb: str, **arguments: Any) -> None:
        """Tell its process something, if it lives."""
        if self.line is not None:
            with suppress(OSError):
                self.line.send((0, verb, arguments))

    def ask(self) -> int:
        """Ask what it has in hand; `answer` takes what it says."""
        self._asked += 1
        if self.line is not None:
            with suppress(OSError):
                self.line.send((self._asked, "tell", {}))
        return self._asked

    def answer(self, deadline: float) -> dict[str, Any] | None:
        """Give the answer to the last question; None if it does not come in time."""
        line = self.line
        try:
            while line is not None and line.poll(max(deadline - time.monotonic(), 0.0)):
                number, told = line.recv()
                if number == self._asked:
                    return told
        except (EOFError, OSError):
            return None
        return None

    def take_descriptors(self) -> None:
        """Take what its process has sent: the guard of its consumer, a second end of its connection."""
        while self.descriptors is not None:
            try:
                kind, received, _, _ = socket.recv_fds(self.descriptors, 16, 1)
            except OSError:  # nothing came, or nobody is there
                return
            if not received:
                return
            if kind == GUARD:
                self._let_guard_go()
                self._guard = received[0]
            else:
                self._leave_wire()
                self.wire = Wire(received[0])

    def _leave_wire(self) -> None:
        wire, self.wire = self.wire, None
        if wire is not None:
            wire.close()

    def _let_guard_go(self) -> None:
        guard, self._guard = self._guard, None
        if guard is not None:
            os.close(guard)

    def run(self) -> Run | None:
        """Read what runs; None where no process is."""
        return self.page.run() if self.process is not None else None

    def hang_up(self) -> None:
        """Close what led to its process, which has ended."""
        for end in (self.line, self.descriptors):
            if end is not None:
                end.close()
        self.line = self.descriptors = None

    def release(self) -> None:
        """Let others have what is still left: close the guard, and the second end of a dead process's connection.

        In a fork of the parent too, for all slots but its own: what stays open there holds just as well.
        """
        self._let_guard_go()
        self._leave_wire()

    def close(self) -> None:
        """Give up the slot."""
        self.hang_up()
        self.release()
        self.copy.close()
        self.page.close()
