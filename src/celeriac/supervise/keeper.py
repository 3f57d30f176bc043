"""Keeps one process of the topology running: starts it, starts it again when it ends, stops it when asked."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from celeriac.control.processes import ProcessState
from celeriac.events import emit
from celeriac.plan import Process
from celeriac.supervise.backoff import Backoff
from celeriac.supervise.child import Child
from celeriac.supervise.output import Output
from celeriac.units import say_duration

#: from the end of its grace, when a worker is told to drop what it runs, until it is killed
DROP = timedelta(seconds=5)
#: failures in a row, at its start, after which it is said in so many words
SAY_FAILING_AFTER = 5


class Keeper:
    """One process, over all its lives.

    hold: after an end before it was ready, wait to be stopped and started instead of trying again by time
        (while code is being edited, an edit is what mends it).
    changed: called whenever `state` changes.
    """

    def __init__(
        self,
        process: Process,
        *,
        folder: Path,
        environ: Mapping[str, str],
        output: Output,
        changed: Callable[[], None],
        hold: bool = False,
    ) -> None:
        self.process = process
        self.ready = asyncio.Event()
        self.restarts = 0
        self._folder = folder
        self._environ = {**environ, **process.env}
        self._output = output
        self._changed = changed
        self._hold = hold
        self._child: Child | None = None
        self._starting = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._killed = False
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> ProcessState:
        """What `celeriac status` shows of it."""
        child = self._child
        running = child is not None and child.exit_code is None
        condition = "waiting" if not self._stopping.is_set() else "stopped"
        if running:
            condition = "ready" if self.ready.is_set() else "starting"
            if self._stopping.is_set():
                condition = "stopping"
        return ProcessState(
            name=self.process.name,
            kind=self.process.kind,
            pool=self.process.pool,
            state=condition,
            pid=child.pid if child is not None and running else None,
            restarts=self.restarts,
            since=child.started_at if child is not None and running else None,
        )

    def start(self) -> None:
        """Start it, and keep it running from now on."""
        self._stopping.clear()
        self._task = asyncio.create_task(self._keep(), name=self.process.name)

    async def stop(self) -> bool:
        """Ask it to finish, insist when its grace is over, and wait until it is gone.

        Returns: whether it ended by itself, with nothing dropped or killed.
        """
        async with self._starting:
            self._stopping.set()
        self._changed()
        finished = True
        child = self._child
        if child is not None and child.exit_code is None:
            child.ask(signal.SIGTERM)
            if not await child.ends_within(self.process.grace):
                finished = False
                await self._insist(child)
        if self._task is not None:
            await self._task
        self._changed()
        return finished

    def kill(self) -> None:
        """End it now, with everything it started."""
        self._killed = True
        self._stopping.set()
        if self._child is not None:
            self._child.kill()

    async def _insist(self, child: Child) -> None:
        grace = say_duration(self.process.grace)
        if self.process.kind == "worker":
            emit("supervise", "process.overdue", name=self.process.name, grace=grace)
            child.ask(signal.SIGQUIT)
            if await child.ends_within(DROP):
                return
        emit("supervise", "process.killed", name=self.process.name)
        child.kill()
        await child.ends_within(None)

    async def _keep(self) -> None:
        backoff = Backoff()
        while True:
            async with self._starting:
                if self._stopping.is_set():
                    return
                self._child = await self._start()
            if self._killed and self._child is not None:
                self._child.kill()  # it was just being started
            was_ready, ran = await self._live()
            if self._stopping.is_set():
                return
            delay = backoff.after(ran)
            if not was_ready and backoff.failures == SAY_FAILING_AFTER:
                emit("supervise", "process.failing", name=self.process.name, failures=backoff.failures)
            await self._pause(delay, held=self._hold and not was_ready)
            self.restarts += 1

    async def _start(self) -> Child | None:
        def write(line: str) -> None:
            if line:
                self._output.write(self.process.name, line)

        try:
            return await Child.start(
                self.process.argv,
                env=self._environ,
                folder=self._folder,
                grace=self.process.grace,
                write=write,
            )
        except OSError as error:
            emit("supervise", "process.unstartable", name=self.process.name, error=error)
            return None

    async def _live(self) -> tuple[bool, timedelta]:
        """Wait for the end of this life. Returns: whether it was ever ready, and how long it ran."""
        child = self._child
        if child is None:
            return False, timedelta()
        self._changed()
        becoming_ready = asyncio.create_task(child.ready.wait())
        ending = asyncio.create_task(child.ended.wait())
        await asyncio.wait({becoming_ready, ending}, return_when=asyncio.FIRST_COMPLETED)
        if child.ready.is_set():
            self.ready.set()
            self._changed()
        await ending
        becoming_ready.cancel()
        self.ready.clear()
        if not self._stopping.is_set():
            emit(
                "supervise",
                "process.ended",
                name=self.process.name,
                how=say_exit(child.exit_code),
                ran=f"{child.ran.total_seconds():.1f}s",
            )
        self._changed()
        return child.ready.is_set(), child.ran

    async def _pause(self, delay: timedelta, *, held: bool) -> None:
        if held:
            emit("supervise", "process.held", name=self.process.name)
        else:
            emit("supervise", "process.restarting", name=self.process.name, delay=say_duration(delay))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), None if held else delay.total_seconds())


def say_exit(code: int | None) -> str:
    """Word an exit code: "exit code 1", or the signal that ended the process."""
    if code is None or code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
