"""The door: whatever asks this process to end lets it tidy up first."""

from __future__ import annotations

import signal
import sys
from types import FrameType


def leave_by_the_door() -> None:
    """Have SIGTERM, and a terminal that is closed, end this process by SystemExit, as Ctrl-C does by its own way."""

    def leave(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)
