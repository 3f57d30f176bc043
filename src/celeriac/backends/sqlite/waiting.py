"""Waiting for results in a file: looks at it with naps in between."""

from __future__ import annotations

import time
from collections.abc import Callable

SHORTEST_S = 0.001
LONGEST_S = 0.05
_SEARCH_ANYWAY_S = 1.0


class Naps:
    """Looks again after somebody has written to the file, and once a second whatever happens.

    change_count: gives a number that differs after any other connection has written.
    """

    def __init__(self, change_count: Callable[[], int]) -> None:
        self._change_count = change_count
        self._seen: int | None = None
        self._search_by = 0.0

    def has_news(self) -> bool:
        """Say whether anybody has written to the file since the last time."""
        changes, now = self._change_count(), time.monotonic()
        if changes == self._seen and now < self._search_by:
            return False
        self._seen, self._search_by = changes, now + _SEARCH_ANYWAY_S
        return True

    def pause(self, waited_s: float, look_s: float, at_most_s: float) -> None:
        """Take a nap."""
        time.sleep(min(nap_s(waited_s, look_s), at_most_s))


def nap_s(waited_s: float, look_s: float) -> float:
    """Say how long to nap before the next look.

    A twentieth of the time waited so far, between 1 and 50 ms: a short task is noticed at once, and a long
    one costs twenty looks a second and is noticed within five hundredths of its time. Never less than twice
    what a look takes, so that looking for thousands of results leaves the processor to those who make them.

    waited_s: since the wait began. look_s: what the last look took.
    """
    return max(min(max(waited_s / 20, SHORTEST_S), LONGEST_S), look_s * 2)
