"""Waiting for a condition, never for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def eventually(condition: Callable[[], Value], *, within: float = 60.0, every: float = 0.02) -> Value:
    """Call `condition` until it gives something true, and give that back.

    within, every: seconds. An AssertionError raised by the condition counts as "not yet".
    Raises: AssertionError with the last answer once `within` has passed.
    """
    deadline = time.monotonic() + within
    while True:
        try:
            answer = condition()
            last = f"it gave {answer!r}"
            if answer:
                return answer
        except AssertionError as not_yet:
            last = f"it said {not_yet}"
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g}s; {last}")
        time.sleep(every)
