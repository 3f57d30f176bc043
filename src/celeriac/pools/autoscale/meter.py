"""The meter: measures arrivals and run time from what is seen once in a while, newer sights counting more."""

from __future__ import annotations

import math

from celeriac.pools.autoscale.demand import Rates

#: seconds in which a sight loses two thirds of its weight for the run time, which seldom changes
_TASKS_S = 120.0


class Meter:
    """Sights of one worker or pool, in the order of time.

    arrivals_s: seconds in which a sight loses two thirds of its weight for the arrivals.
    """

    def __init__(self, arrivals_s: float = 20.0) -> None:
        self._arrivals_s = arrivals_s
        self._last: tuple[float, int, float] | None = None
        self._seconds = self._arrived = self._busy_s = self._ended = 0.0

    def see(self, at: float, *, ended: int, running: int, waiting: float) -> Rates:
        """Take a sight, and give what was measured up to it.

        at: steady seconds. ended: tasks that ended since the start; a smaller number than before begins anew.
        """
        last, self._last = self._last, (at, ended, running + waiting)
        if last is None or ended < last[1] or at <= last[0]:
            return self._rates()
        elapsed, new = at - last[0], ended - last[1]
        # What came is what went, and by how much there is more than before.
        came = max(new + running + waiting - last[2], 0.0)
        of_arrivals, of_tasks = math.exp(-elapsed / self._arrivals_s), math.exp(-elapsed / _TASKS_S)
        self._seconds = self._seconds * of_arrivals + elapsed
        self._arrived = self._arrived * of_arrivals + came
        self._busy_s = self._busy_s * of_tasks + running * elapsed
        self._ended = self._ended * of_tasks + new
        return self._rates()

    def _rates(self) -> Rates:
        if self._ended < 1 or not self._seconds:
            return Rates()
        return Rates(arrivals_per_s=self._arrived / self._seconds, task_s=self._busy_s / self._ended)
