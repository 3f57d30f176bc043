"""What `celeriac up` runs in this project, as it wrote it down itself."""

from __future__ import annotations

import fcntl
from pathlib import Path

import msgspec

from celeriac.plan import Plan

#: files in the project's `.celeriac/`
LOCK = "up.lock"
STATE = "up.json"


class ProcessState(msgspec.Struct, frozen=True, kw_only=True):
    """One process of the topology as it is now.

    state: "starting", "ready", "stopping", "waiting" (to be started again) or "stopped".
    restarts: how often it was started again since `up` began.
    since: epoch seconds of its last start; None if it does not run.
    """

    name: str
    kind: str
    pool: str | None
    state: str
    pid: int | None
    restarts: int
    since: float | None


class UpState(msgspec.Struct, frozen=True, kw_only=True):
    """What one supervisor runs.

    pid: of the supervisor; since: epoch seconds of its start.
    """

    pid: int
    since: float
    broker: str
    processes: tuple[ProcessState, ...]


def running(plan: Plan) -> UpState | None:
    """Give what `celeriac up` runs in the plan's folder now, None if it does not run."""
    if not _is_locked(plan.state_folder / LOCK):
        return None
    try:
        return msgspec.json.decode((plan.state_folder / STATE).read_bytes(), type=UpState)
    except (FileNotFoundError, msgspec.DecodeError):
        return None  # just starting, or just gone


def up_lock_held(state_folder: Path) -> bool:
    """Say whether `celeriac up` runs in the project of this state folder, also while it starts."""
    return _is_locked(state_folder / LOCK)


def _is_locked(path: Path) -> bool:
    try:
        with path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False
