"""Wall time for what people read, boot time for how long something may last."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple


class Clock(NamedTuple):
    """Both clocks of this machine, passed in so that tests can move them.

    wall: seconds since the epoch; may jump.
    steady: seconds since boot, the same in every process of this machine, never set back.
    """

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic


SYSTEM = Clock()


@lru_cache(maxsize=1)
def boot_id() -> str:
    """Name this boot of the machine: steady times of another boot mean nothing."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"{time.time() - time.monotonic():.0f}"
