"""The heartbeat of a worker, written by its own loop, so that a hung loop is seen.

Celery's timer calls the loop back every second; what runs in the loop itself (a task of the solo pool) says beforehand
how long it may take. Losing the broker is no hang: the file says "connecting" then.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path
from typing import Any

from celery import Celery, bootsteps, signals
from celery.worker import state

from celeriac.events import emit
from celeriac_probe import pulse

BEAT_EVERY_S = 1.0
#: how long a task may run in the worker's own loop where no limit says otherwise; no pool can end it then
LONGEST_TASK_S = 3600.0
#: files of workers that are gone and did not come back under their name
_FORGET_AFTER_S = 3600.0


class HeartbeatFile:
    """The heartbeat file of this process, locked while it lives.

    Raises: OSError if it cannot be written.
    """

    def __init__(self, folder: Path, worker: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / pulse.file_name(worker)
        draft = folder / f".{self.path.name}.{os.getpid()}"
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            # Locked before it has its name, so that nobody takes a newborn for a dead one.
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._descriptor = descriptor
            self._began = time.monotonic()
            self.phase = pulse.STARTING
            self.slots = self.busy = self.ended = 0
            self.beat()
            draft.rename(self.path)
        except OSError:
            os.close(descriptor)
            draft.unlink(missing_ok=True)
            raise
        pulse.own[str(self.path)] = descriptor

    def beat(self, *, excused_s: float = 0.0) -> None:
        """Say that the loop turns now.

        excused_s: how long it may stand still from now on.
        """
        now = time.monotonic()
        record = pulse.record_of(
            os.getpid(),
            self.phase,
            self.slots,
            self.busy,
            self._began,
            now,
            now + excused_s if excused_s else 0.0,
            self.ended,
        )
        os.pwrite(self._descriptor, record, 0)

    def remove(self) -> None:
        """Leave without a trace: this worker has ended as it should."""
        pulse.own.pop(str(self.path), None)
        try:
            if self.path.stat().st_ino == os.fstat(self._descriptor).st_ino:
                self.path.unlink()
        except FileNotFoundError:
            pass  # somebody has cleared the folder
        os.close(self._descriptor)


class Heart:
    """Keeps the heartbeat file of the worker in this process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: HeartbeatFile | None = None
        self._pid = 0
        self._thread = 0
        self._worker: Any = None

    def connect(self) -> None:
        """Follow the worker's life by Celery's signals."""
        for signal, receiver in (
            (signals.worker_init, self.on_init),
            (signals.worker_shutting_down, self.on_stopping),
            (signals.worker_shutdown, self.on_shutdown),
            (signals.task_prerun, self.on_task_start),
            (signals.task_postrun, self.on_task_end),
        ):
            signal.connect(receiver, weak=False, dispatch_uid=f"celeriac.observe.pulse:{receiver.__name__}")

    def on_init(self, sender: Any, **_: Any) -> None:
        """Make the file when a worker begins to start."""
        self._worker, self._pid, self._thread = sender, os.getpid(), threading.get_ident()
        try:
            self._file = HeartbeatFile(self._folder, sender.hostname)
        except OSError as error:
            emit("observe", "pulse.unwritten", path=self._folder, error=error)
        forget_the_gone(self._folder)

    def beat(self, phase: int | None = None) -> None:
        """Turn once, in the worker's loop."""
        if self._file is None:
            return
        self._file.phase = self._file.phase if phase is None else phase
        self._file.slots = int(getattr(getattr(self._worker, "pool", None), "num_processes", None) or 0)
        self._file.busy = len(state.active_requests)
        self._file.ended = max(sum(state.total_count.values()) - self._file.busy, 0)
        self._file.beat()

    def turn(self, *, is_connected: bool) -> None:
        """Beat as long as the broker is there; else say once that it is not."""
        if self._file is None:
            return
        if is_connected:
            self.beat(pulse.RUNNING if self._file.phase == pulse.CONNECTING else None)
        elif self._file.phase == pulse.RUNNING:
            self.beat(pulse.CONNECTING)

    def on_task_start(self, task: Any, **_: Any) -> None:
        """Excuse the loop while it runs a task itself."""
        if self._file is not None and self._runs_here():
            limit_s = task.request.timelimit[0] if task.request.timelimit else None
            self._file.busy = 1
            self._file.beat(excused_s=limit_s or task.time_limit or self._worker.time_limit or LONGEST_TASK_S)

    def on_task_end(self, **_: Any) -> None:
        """Take the excuse back."""
        if self._file is not None and self._runs_here():
            self._file.busy = 0
            self._file.beat()

    def on_stopping(self, **_: Any) -> None:
        """Say that the loop ends now, on purpose."""
        if self._is_ours():
            self.beat(pulse.STOPPING)

    def on_shutdown(self, **_: Any) -> None:
        """Remove the file when the worker has ended."""
        if self._file is not None and self._is_ours():
            self._file.remove()
            self._file = None

    def _is_ours(self) -> bool:
        # A forked slot inherits this object, but is not the worker.
        return self._pid == os.getpid()

    def _runs_here(self) -> bool:
        return self._is_ours() and self._thread == threading.get_ident()


class HeartStep(bootsteps.StartStopStep):
    """Has the consumer's loop call `Heart.beat` for as long as it is connected."""

    requires: Any = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        """Begin to beat."""
        heart: Heart = consumer.app.celeriac_heart
        heart.beat(pulse.RUNNING)

        def turn() -> None:
            # Our Redis transport goes on by itself when its server is away: this step is never stopped then.
            transport = getattr(consumer.connection, "transport", None)
            heart.turn(is_connected=getattr(transport, "reaches_server", True))

        # Not in the timer: that may be a thread of its own, which goes on while the loop hangs.
        self._timer = consumer.timer.call_repeatedly(BEAT_EVERY_S, consumer.call_soon, (turn,))

    def stop(self, consumer: Any) -> None:
        """Say that the connection is lost, or given up."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        heart: Heart = consumer.app.celeriac_heart
        heart.beat(pulse.STOPPING if state.should_stop is not None else pulse.CONNECTING)


def follow_worker(app: Celery, folder: Path) -> None:
    """Give every worker of the app a heartbeat file in `folder`."""
    heart = Heart(folder)
    heart.connect()
    bound: Any = app
    bound.celeriac_heart = heart
    app.steps["consumer"].add(HeartStep)


def forget_the_gone(folder: Path) -> None:
    """Delete the heartbeat files of workers that died long ago and were not started again."""
    for each in pulse.read_all(str(folder)):
        if not each.alive and each.beat_age_s > _FORGET_AFTER_S:
            (folder / pulse.file_name(each.name)).unlink(missing_ok=True)
