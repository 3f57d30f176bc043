"""The number of a worker: which one of its pool it is on this host, so that no two have one name."""

from __future__ import annotations

import fcntl
import os
import socket
from itertools import count
from pathlib import Path

#: descriptors of the numbers this process holds: closing one would give its number away
_held: list[int] = []


def claim_number(folder: Path, pool: str, wanted: int | None = None) -> int:
    """Hold a number of the pool for as long as this process lives, and give it.

    folder: where workers note what they hold; those of other hosts may too, each host counts for itself.
    wanted: this one, whoever else has it; None: the first that no other worker has.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        numbers = count(1) if wanted is None else (wanted,)
        host = socket.gethostname()
        free = (number for number in numbers if _is_free(folder / f"{pool}-{number}@{host}.number"))
        return next(free, wanted or 1)
    except OSError:
        # Where nothing can be written, in a container say, the host has a name of its own, and this is its only worker.
        return wanted or 1


def _is_free(note: Path) -> bool:
    descriptor = os.open(note, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        # A record lock: the kernel drops it with this process, and slots that are forked do not share it.
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    _held.append(descriptor)
    return True
