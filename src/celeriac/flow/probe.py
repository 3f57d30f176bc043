"""The probe of an open breaker: its timer runs for as long as the call takes, and no longer than it lives."""

from __future__ import annotations

import threading
from datetime import timedelta

from celeriac.coordination import ABSENT, Coordination
from celeriac.errors import CoordinationError


class Probe:
    """The timer of one probing call, started here; whoever sees it knows that the call is at work."""

    def __init__(self, store: Coordination, timer: str, ttl: timedelta) -> None:
        """timer: the key of its document; ttl: how long after the death of this process another may probe.

        Raises: CoordinationError.
        """
        self._store = store
        self._timer = timer
        self._ttl = ttl
        self._version = store.swap(timer, ABSENT, b"", ttl)
        self._ended = threading.Event()

    def begin(self) -> None:
        """Keep the timer running from now on."""
        threading.Thread(target=self._keep, daemon=True, name="breaker probe").start()

    def end(self) -> None:
        """Let the timer run out."""
        self._ended.set()

    def _keep(self) -> None:
        while not self._ended.wait(self._ttl.total_seconds() / 3):
            try:
                version = self._store.swap(self._timer, self._version, b"", self._ttl)
            except CoordinationError:
                continue  # there is time for another try before it runs out
            if not version:
                return  # it ran out while we were stopped: another may probe, and our word will not count
            self._version = version
