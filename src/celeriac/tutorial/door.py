"""The door: whatever asks this process to end lets it tidy up first."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import NoReturn

#: the signals that have asked, oldest first
_asked: list[int] = []


def leave_by_the_door() -> None:
    """Have SIGTERM, and a terminal that is closed, end this process by SystemExit; Ctrl-C by KeyboardInterrupt."""
    _asked.clear()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)


def stay_unless_asked() -> None:
    """Leave now if this process was asked to before.

    Python drops what a signal raises while a destructor or a callback of C runs, so who waits or ends asks again.
    """
    if _asked:
        _go(_asked[0])


def _leave(number: int, _frame: FrameType | None) -> None:
    _asked.append(number)
    _go(number)


def _go(number: int) -> NoReturn:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)
