"""Runs the processes of a topology until it is told to stop, then drains them in the order work flows."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from celeriac.control.processes import UpState
from celeriac.errors import CeleriacError, SuperviseError, redacted
from celeriac.events import emit
from celeriac.plan import Process
from celeriac.supervise.companion import LOOK_EVERY, READY_WITHIN, TRIES, Companion
from celeriac.supervise.elastic import Elastic, ElasticPool
from celeriac.supervise.instance import Instance
from celeriac.supervise.keeper import Keeper
from celeriac.supervise.output import Output

#: what sends stops first, what records the last letters after the workers, what watches last
DRAIN_ORDER = ("beat", "worker", "recorder", "metrics", "flower")

FINISHED, FORCED = 0, 1

_SCALE_EVERY_S = 1.0

_STOPPED_BY = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, kw_only=True)
class Reload:
    """Start again on edits.

    plan: the plan's file, watched too; None if there is none.
    processes: reads the plan anew and gives its processes; a CeleriacError is shown, and the next edit
        awaited.
    """

    plan: Path | None
    processes: Callable[[], Sequence[Process]]


def _no_elastic_pools() -> Elastic | None:
    return None


class Supervisor:
    """One run of `celeriac up`.

    folder: where the processes work, and watched for edits.
    instance: held while this runs; what runs is published there.
    environ: what every process finds in its environment.
    companion: runs once all are ready; everything drains when it ends.
    elastic: gives the pools that grow and shrink, of the plan as it was last read.
    """

    def __init__(
        self,
        processes: Sequence[Process],
        *,
        folder: Path,
        instance: Instance,
        output: Output,
        broker: str = "",
        environ: Mapping[str, str] | None = None,
        reload: Reload | None = None,
        companion: Companion | None = None,
        elastic: Callable[[], Elastic | None] = _no_elastic_pools,
    ) -> None:
        self._processes = tuple(processes)
        self._folder = folder
        self._instance = instance
        self._output = output
        self._broker = redacted(broker)
        self._environ = dict(os.environ if environ is None else environ)
        self._reload = reload
        self._companion = companion
        self._elastic = elastic
        self._scaling: asyncio.Task[None] | None = None
        self._is_replacing = False
        self._leaving: dict[Keeper, asyncio.Task[None]] = {}
        self._since = time.time()
        self._keepers: list[Keeper] = []
        self._stopping = asyncio.Event()
        self._forced = False
        self._announcing: asyncio.Task[None] | None = None

    async def run(self) -> int:
        """Run until SIGINT, SIGTERM or SIGHUP; a second one kills what still runs.

        Returns: FINISHED if every process ended by itself when asked, FORCED if one had to be killed; the
            companion's exit code instead where that is not 0.
        Raises: CommandError UP-016 if the companion cannot be run, SuperviseError UP-017 if it had nothing to
            work with; everything has drained then.
        """
        loop = asyncio.get_running_loop()
        for number in _STOPPED_BY:
            loop.add_signal_handler(number, self.stop)
        try:
            self._start(self._processes)
            following = None
            if self._reload is not None:
                following = asyncio.create_task(self._follow_edits(self._reload))
            beside = None
            if self._companion is not None:
                beside = asyncio.create_task(self._accompany(self._companion))
            await self._stopping.wait()
            if following is not None:
                following.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await following
            code = await self._finish()
            if self._companion is not None and beside is not None:
                await beside
                code = self._companion.exit_code or code
            return code
        finally:
            for number in _STOPPED_BY:
                loop.remove_signal_handler(number)
            for keeper in self._keepers:
                keeper.kill()

    def stop(self) -> None:
        """Drain; called again: kill what still runs."""
        if not self._stopping.is_set():
            self._stopping.set()
            return
        if not self._forced:
            emit("supervise", "up.forced")
        self._forced = True
        if self._companion is not None:
            self._companion.kill()
        for keeper in self._keepers:
            keeper.kill()

    def _start(self, processes: Sequence[Process]) -> None:
        self._output.expect([process.name for process in processes])
        before = Counter(keeper.process.pool for keeper in self._keepers)
        self._keepers = [self._keeper(process) for process in processes]
        elastic = self._elastic()
        if elastic is not None:
            for pool in elastic.pools:
                # As many as before an edit of the plan: what waits has not become less by it.
                while len(self._workers(pool)) < min(before[pool.name], pool.most):
                    self._add(pool)
            self._scaling = asyncio.create_task(self._scale(elastic))
        self._launch(self._keepers)

    def _keeper(self, process: Process) -> Keeper:
        return Keeper(
            process,
            folder=self._folder,
            environ=self._environ,
            output=self._output,
            changed=self._publish,
            hold=self._reload is not None,
        )

    async def _scale(self, elastic: Elastic) -> None:
        """Grow and shrink the elastic pools by what waits, until it is cancelled."""
        elastic.looker.start()
        try:
            while True:
                await asyncio.sleep(_SCALE_EVERY_S)
                for pool in elastic.pools:
                    self._scale_pool(pool, elastic)
        finally:
            elastic.looker.stop()

    def _scale_pool(self, pool: ElasticPool, elastic: Elastic) -> None:
        if self._is_replacing:
            return  # an edit stops and starts them just now
        workers = self._workers(pool)
        decision = pool.decide(elastic.looker, [keeper.process.name for keeper in workers])
        if decision is None:
            return
        # One that still drains is a worker too: the host was promised no more than the greatest number.
        leaving = sum(keeper.process.pool == pool.name for keeper in self._leaving)
        target = min(decision.units, max(pool.most - leaving, len(workers)))
        for keeper in [self._add(pool) for _ in range(target - len(workers))]:
            keeper.start()
        for keeper in workers[target:]:
            self._leaving[keeper] = asyncio.create_task(self._let_go(keeper))
        if target != len(workers):
            emit(
                "supervise",
                "scale.workers",
                pool=pool.name,
                before=len(workers),
                workers=target,
                because=decision.because,
            )
            self._publish()

    def _workers(self, pool: ElasticPool) -> list[Keeper]:
        """Give the workers of a pool that are to go on, the oldest first."""
        return [it for it in self._keepers if it.process.pool == pool.name and it not in self._leaving]

    def _add(self, pool: ElasticPool) -> Keeper:
        keeper = self._keeper(pool.another([it.process.name for it in self._keepers]))
        self._output.expect([keeper.process.name])
        self._keepers.append(keeper)
        return keeper

    async def _let_go(self, keeper: Keeper) -> None:
        """Drain one worker and forget it."""
        try:
            await keeper.stop()
        finally:
            self._leaving.pop(keeper, None)
            self._keepers.remove(keeper)
            self._publish()

    async def _stop_scaling(self) -> None:
        if self._scaling is not None:
            self._scaling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._scaling
            self._scaling = None

    def _launch(self, keepers: Sequence[Keeper]) -> None:
        for keeper in keepers:
            keeper.start()
        self._publish()
        if self._announcing is not None:
            self._announcing.cancel()
        self._announcing = asyncio.create_task(self._say_when_ready())

    def _publish(self) -> None:
        states = tuple(keeper.state for keeper in self._keepers)
        state = UpState(pid=os.getpid(), since=self._since, broker=self._broker, processes=states)
        try:
            self._instance.publish(state)
        except OSError as error:
            # A full disk must not end what runs; `celeriac status` is old until there is room.
            emit("supervise", "up.unpublished", error=error)

    async def _say_when_ready(self) -> None:
        started = time.monotonic()
        await asyncio.gather(*(keeper.ready.wait() for keeper in self._keepers))
        emit("supervise", "up.ready", count=len(self._keepers), seconds=f"{time.monotonic() - started:.1f}")

    async def _accompany(self, companion: Companion) -> None:
        """Run the companion when all are ready, and stop everything when it ends."""
        try:
            if await self._become_ready():
                await companion.run()
        finally:
            if not self._stopping.is_set():
                self.stop()

    async def _become_ready(self) -> bool:
        """Wait until every process is ready. Returns: False if all is to be stopped before.

        Raises: SuperviseError UP-017 if one fails again and again, or takes too long.
        """
        deadline = time.monotonic() + READY_WITHIN.total_seconds()
        while waiting := [keeper for keeper in self._keepers if not keeper.ready.is_set()]:
            if self._stopping.is_set():
                return False
            failing = [keeper for keeper in waiting if keeper.restarts >= TRIES]
            if failing or time.monotonic() > deadline:
                raise SuperviseError(
                    "UP-017",
                    f"not ready: {', '.join(keeper.process.name for keeper in failing or waiting)}; "
                    "the command was not run",
                    at=str(self._folder / ".celeriac" / "up.log"),
                    fix="see there why, or with `celeriac up` alone",
                )
            await asyncio.sleep(LOOK_EVERY.total_seconds())
        return not self._stopping.is_set()

    async def _finish(self) -> int:
        if self._companion is not None:
            self._companion.ask_to_end()
        if self._announcing is not None:
            self._announcing.cancel()
        emit("supervise", "up.stopping")
        await self._stop_scaling()
        finished = await self._drain(self._keepers)
        code = FINISHED if finished and not self._forced else FORCED
        emit("supervise", "up.stopped", how="cleanly" if code == FINISHED else "by force")
        return code

    async def _drain(self, keepers: Sequence[Keeper]) -> bool:
        """Stop these, kind by kind. Returns: whether all of them ended by themselves."""
        finished = True
        for kind in DRAIN_ORDER:
            # Who is leaving was asked already; asked twice, a worker drops its tasks.
            leaving = [task for each, task in self._leaving.items() if each.process.kind == kind]
            staying = [each for each in keepers if each.process.kind == kind and each not in self._leaving]
            ended = await asyncio.gather(*(each.stop() for each in staying))
            await asyncio.gather(*leaving)
            finished = finished and all(ended)
        return finished

    async def _follow_edits(self, reload: Reload) -> None:
        from celeriac.supervise.reload import edits  # noqa: PLC0415 - the watcher costs time only where it watches

        async for edited in edits(self._folder, reload.plan):
            processes: Sequence[Process] | None = None
            if edited == "plan":
                try:
                    processes = reload.processes()
                except CeleriacError as error:
                    emit("supervise", "up.edit_refused", error=error)
                    continue
            emit("supervise", "up.reloading", edited=edited)
            # Once begun it is carried through, so that a stop never finds half of the processes replaced.
            await asyncio.shield(asyncio.create_task(self._replace(processes)))

    async def _replace(self, processes: Sequence[Process] | None) -> None:
        self._is_replacing = True
        try:
            await self._replace_now(processes)
        finally:
            self._is_replacing = False

    async def _replace_now(self, processes: Sequence[Process] | None) -> None:
        if processes is not None:
            await self._stop_scaling()
            await self._drain(self._keepers)
            if not self._stopping.is_set():
                self._start(processes)
            return
        # The recorder and beat run none of the project's tasks, unless its code kept them from starting at
        # all.
        affected = [
            each
            for each in self._keepers
            if each not in self._leaving and (each.process.kind == "worker" or each.state.pid is None)
        ]
        await self._drain(affected)
        if not self._stopping.is_set():
            self._launch(affected)
