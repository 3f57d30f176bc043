"""Draining: the workers of this host finish what they run and end."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from celeriac.errors import CommandError
from celeriac_probe import pulse

#: how often it is looked whether they have ended
_LOOK_EVERY_S = 0.1


def drain(
    folder: Path,
    worker: str | None = None,
    within: timedelta | None = None,
    asked: Callable[[str], None] = lambda name: None,
) -> list[str]:
    """Ask the workers of this host to finish, and wait until they have ended.

    folder: the project's, which holds `.celeriac/`; workers of other hosts or containers that share it are left alone.
    worker: only this one, "web-1" or "web-1@host"; None: all.
    within: how long to wait; None: as long as it takes.
    asked: called with the name of each worker that was asked.
    Returns: the names of those that have not ended in time.
    Raises: CommandError UP-050 if `worker` names none that lives here.
    """
    workers = folder / ".celeriac" / "workers"
    living = [each for each in _here(workers) if worker in (None, each.name, each.name.partition("@")[0])]
    if worker is not None and not living:
        raise CommandError(
            "UP-050",
            f"no worker {worker} runs here",
            at=str(workers),
            known=[each.name for each in _here(workers)],
            fix="name one that runs, or none to drain all",
        )
    for each in living:
        with suppress(ProcessLookupError):
            os.kill(each.pid, signal.SIGTERM)
        asked(each.name)
    deadline = None if within is None else time.monotonic() + within.total_seconds()
    names = {each.name for each in living}
    while names & {each.name for each in _here(workers)}:
        if deadline is not None and time.monotonic() > deadline:
            break
        time.sleep(_LOOK_EVERY_S)
    return sorted(names & {each.name for each in _here(workers)})


def _here(workers: Path) -> list[pulse.Pulse]:
    """Read the pulses of the workers that live on this host, in this container."""
    host = f"@{socket.gethostname()}"
    return [each for each in pulse.read_all(str(workers)) if each.alive and each.name.endswith(host)]
