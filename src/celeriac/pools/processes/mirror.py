"""What the slots have in hand, told to Celery's own state in the parent, where heartbeats and commands look for it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from celery.platforms import signals
from celery.worker import state

from celeriac.pools.processes.page import Run
from celeriac.pools.processes.slot import Order, Slot

#: how long the parent waits for slots to say what they have in hand; a task may let no other thread run
_PATIENCE_S = 0.4


class Mirrored:
    """A task in a slot, to Celery's commands a request like any other.

    run: None while it waits in its slot.
    """

    acknowledged = False
    eta = None
    _apply_result = None  # an autoscaler asks: nothing is on its way to a process

    def __init__(self, app: Any, slot: Slot, info: dict[str, Any], run: Run | None) -> None:
        self._slot, self._run, self._info = slot, run, info
        self.id, self.name = str(info["id"]), str(info["name"])
        self.task = self.type = app.tasks.get(self.name)
        self.time_start = run.began if run is not None else None
        self.worker_pid = slot.pid
        self.stamps: dict[str, Any] = info.get("stamps") or {}

    def info(self, safe: bool = False) -> dict[str, Any]:
        """Describe it as `celery inspect` does."""
        return {key: it for key, it in self._info.items() if key != "stamps"}

    def terminate(self, pool: Any, signal: Any = None) -> None:
        """End the run; what waits is dropped when its turn comes, for it is revoked."""
        number = signals.signum(signal or "SIGTERM")
        if self._run is None:
            return
        if number == signals.signum("SIGUSR1"):
            self._slot.soften(self._run.number)
        else:
            self._slot.end_run(Order(self._run.number, "revoked", number), number)

    def cancel(self, pool: Any, signal: Any = None, emit_retry: bool = True) -> None:
        """End the run because the worker ends; losing the parent's own connection ends none."""
        if self._run is not None and pool.is_stopping:
            self._slot.end_run(Order(self._run.number, "cancelled"), signals.signum("SIGTERM"))


class Mirror:
    """Keeps Celery's state in step with the slots."""

    def __init__(self, app: Any, hostname: str) -> None:
        self._app, self._hostname = app, hostname
        self._kept: list[Mirrored] = []
        self._known: dict[int, dict[str, Any]] = {}
        self.scheduled: list[dict[str, Any]] = []
        self._gone: dict[str, int] = {}

    def glance(self, slots: Iterable[Slot]) -> None:
        """Take from the pages what runs and how much was begun; asks nobody."""
        slots = list(slots)
        active = [
            Mirrored(self._app, slot, self._bare(slot, run), run)
            for slot in slots
            if (run := slot.run()) is not None
        ]
        self._put(active, [], slots)

    def refresh(self, slots: Iterable[Slot]) -> None:
        """Ask the slots what they have in hand; of one that does not answer, the page says what it runs."""
        slots = list(slots)
        deadline = time.monotonic() + _PATIENCE_S
        for slot in slots:
            slot.ask()
        active, reserved, scheduled = [], [], []
        for slot in slots:
            told = slot.answer(deadline)
            run = slot.run()
            if run is not None:
                infos = told["active"] if told is not None else []
                info = next((it for it in infos if it["id"] == run.task_id), self._bare(slot, run))
                active.append(Mirrored(self._app, slot, {**info, "worker_pid": slot.pid}, run))
            if told is not None:
                reserved += [Mirrored(self._app, slot, it, None) for it in told["reserved"]]
                scheduled += told["scheduled"]
        self.scheduled = scheduled
        self._put(active, reserved, slots)

    def drop(self, pool: Any) -> None:
        """End all that was last seen to run, because the worker ends."""
        for request in self._kept:
            request.cancel(pool)

    def let_go(self, slot: Slot) -> None:
        """Keep the counts of a slot that is given up."""
        for name, count in slot.page.counts().items():
            self._gone[name] = self._gone.get(name, 0) + count

    def _put(self, active: list[Mirrored], reserved: list[Mirrored], slots: list[Slot]) -> None:
        kept = [*active, *reserved]
        state.requests.clear()
        state.requests.update((it.id, it) for it in kept)
        for known, these in (
            (state.active_requests, active),
            (state.reserved_requests, kept),
        ):
            known.clear()
            known.update(these)
        # Celery's sets are weak: they forget what nobody else keeps.
        self._kept = kept
        counts = dict(self._gone)
        for slot in slots:
            for name, count in slot.page.counts().items():
                counts[name] = counts.get(name, 0) + count
        state.total_count.clear()
        state.total_count.update({name or "others": count for name, count in counts.items() if count})
        state.all_total_count[0] = sum(counts.values())

    def _bare(self, slot: Slot, run: Run) -> dict[str, Any]:
        return {
            "id": run.task_id,
            "name": run.name,
            "args": None,
            "kwargs": None,
            "type": run.name,
            "hostname": self._hostname,
            "time_start": run.began,
            "acknowledged": False,
            "delivery_info": {},
            "worker_pid": slot.pid,
        }
