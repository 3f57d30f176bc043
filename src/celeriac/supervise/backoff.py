"""How long to wait before a process that ended is started again."""

from __future__ import annotations

from datetime import timedelta

FIRST = timedelta(seconds=0.5)
CAP = timedelta(seconds=30)
HEALTHY = timedelta(seconds=30)


class Backoff:
    """The delays of one process: doubled from `FIRST` to `CAP`, from `FIRST` again once it ran for `HEALTHY`.

    failures: how often in a row it ended without having been healthy.
    """

    def __init__(self) -> None:
        self.failures = 0

    def after(self, ran: timedelta) -> timedelta:
        """Say how long to wait after a run that lasted `ran`."""
        self.failures = 1 if ran >= HEALTHY else self.failures + 1
        doublings: int = min(self.failures - 1, 16)
        return min(FIRST * (1 << doublings), CAP)
