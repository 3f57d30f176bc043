"""A pulse: the heartbeat file of one worker, by which others see that its loop turns.

A file holds one record, see `_RECORD`. The worker holds a record lock on it, which the kernel drops when the worker
dies: a process id that is used again, or is of another container, cannot pass for a worker. Times are seconds since
boot.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time

SUFFIX = ".pulse"
#: a loop that has not turned for this long hangs
STALE_S = 10.0

STARTING, RUNNING, CONNECTING, STOPPING = range(4)
PHASES = ("starting", "running", "connecting", "stopping")

_MAGIC = b"CELPULS1"
#: magic, process id, phase, slots, busy slots, ended tasks, started at, beat at, excused until (0: not)
_RECORD = struct.Struct("=8sqiiiiddd")
_MOST = 2**31 - 1
#: heartbeat files of this process: reading them through another descriptor would drop its lock
own: dict[str, int] = {}


class Pulse:
    """What a heartbeat file says.

    pid: of the worker's main process; alive: whether it lives.
    phase: one of PHASES' indexes; beat_age_s: since the loop last turned.
    excused_s: how long the loop may still stand still, for a task that runs in it; 0 if none does.
    slots, busy: tasks it can run at once, and runs now; ended: how many have ended since it started.
    """

    def __init__(self, name: str, alive: bool, record: bytes, now: float) -> None:
        fields = _RECORD.unpack(record)
        _, self.pid, self.phase, self.slots, self.busy, self.ended, started_at, beat_at, excused_until = (
            fields
        )
        self.name = name
        self.alive = alive
        self.up_s = max(now - started_at, 0.0)
        self.beat_age_s = max(now - beat_at, 0.0)
        self.excused_s = max(excused_until - now, 0.0)


def record_of(
    pid: int,
    phase: int,
    slots: int,
    busy: int,
    started_at: float,
    beat_at: float,
    excused_until: float,
    ended: int = 0,
) -> bytes:
    """Write the one record of a heartbeat file."""
    return _RECORD.pack(_MAGIC, pid, phase, slots, busy, ended & _MOST, started_at, beat_at, excused_until)


def file_name(worker: str) -> str:
    """Name the heartbeat file of a worker, like "web-1@host.pulse"."""
    return worker.replace("/", "_").replace("\0", "_") + SUFFIX


def read(path: str) -> Pulse | None:
    """Read a heartbeat file; None if there is none that can be read."""
    if path in own:
        return _pulse(path, os.pread(own[path], _RECORD.size, 0), alive=True)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return _pulse(path, os.read(descriptor, _RECORD.size), alive=_is_locked(descriptor))
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    try:
        # Shared, so that two readers do not take each other for the worker.
        fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def _pulse(path: str, record: bytes, *, alive: bool) -> Pulse | None:
    if len(record) != _RECORD.size or not record.startswith(_MAGIC):
        return None
    return Pulse(os.path.basename(path)[: -len(SUFFIX)], alive, record, time.monotonic())


def read_all(folder: str) -> list[Pulse]:
    """Read all heartbeat files in a folder, by name; none if the folder is not there."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(SUFFIX))
    except OSError:
        return []
    return [pulse for pulse in (read(os.path.join(folder, name)) for name in names) if pulse]


def trouble(pulse: Pulse, stale_s: float = STALE_S) -> str:
    """Say what is wrong with a worker, "" if nothing is.

    A loop may stand still while it starts, looks for its broker, stops, or runs a task itself (executor solo):
    restarting such a worker mends nothing. A process that was stopped by a signal is in trouble whatever it does.
    """
    if not pulse.alive:
        return f"gone: its process {pulse.pid} ended without saying so"
    if _is_stopped(pulse.pid):
        return f"stopped by a signal: process {pulse.pid} does not run"
    if pulse.phase == RUNNING and pulse.beat_age_s > stale_s and not pulse.excused_s:
        return f"hung: its loop has not turned for {pulse.beat_age_s:.0f} s"
    return ""


def says(pulse: Pulse) -> str:
    """Word what a healthy worker does."""
    if pulse.phase != RUNNING:
        return f"{PHASES[pulse.phase]} for {pulse.beat_age_s:.0f} s"
    if pulse.excused_s:
        return f"busy with a task in its own loop for {pulse.beat_age_s:.0f} s"
    return f"{pulse.busy} of {pulse.slots} slots busy, loop turned {pulse.beat_age_s:.1f} s ago"


def _is_stopped(pid: int) -> bool:
    """Say whether a process is stopped or traced; where that cannot be told, its overdue beat will."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            # The name before the state may hold anything, but its last bracket closes it.
            return stat.read().rpartition(b")")[2].split()[0] in (b"T", b"t")
    except (OSError, IndexError):
        return False
