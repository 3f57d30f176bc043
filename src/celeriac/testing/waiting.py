"""Waiting for a condition, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def until(condition: Callable[[], Value], within: float, *, every: float = 0.02) -> Value:
    """Ask until the answer is true, or the time is over; give the last answer.

    within, every: seconds; with 0 it is asked once.
    """
    deadline = time.monotonic() + within
    while True:
        answer = condition()
        if answer or time.monotonic() >= deadline:
            return answer
        time.sleep(every)
