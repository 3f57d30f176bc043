"""How long to nap between two looks at the results."""

from __future__ import annotations

SHORTEST_S = 0.001
LONGEST_S = 0.05


def nap_s(waited_s: float, look_s: float, longest_s: float = LONGEST_S) -> float:
    """Say how long to nap before the next look.

    A twentieth of the time waited so far, between 1 and 50 ms: a short task is noticed at once, and a long
    one costs twenty looks a second and is noticed within five hundredths of its time. Never less than twice
    what a look takes, so that looking for thousands of results leaves the processor to those who make them.

    waited_s: since the wait began. look_s: what the last look took. longest_s: the caller's own bound.
    """
    return max(min(max(waited_s / 20, SHORTEST_S), LONGEST_S, max(longest_s, SHORTEST_S)), look_s * 2)
