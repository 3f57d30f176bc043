"""A pipe by which any thread wakes the loop of its own process."""

from __future__ import annotations

import os
from contextlib import suppress


class Waker:
    """Rung from any thread; its descriptor is readable until it is silenced."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)

    def fileno(self) -> int:
        return self._reading

    def ring(self) -> None:
        with suppress(BlockingIOError, OSError):  # full of rings already, or just closed
            os.write(self._writing, b"!")

    def silence(self) -> bool:
        """Forget the rings so far, and say whether there were any."""
        rang = False
        with suppress(BlockingIOError):
            while rings := len(os.read(self._reading, 4096)):
                rang = True
                if rings < 4096:
                    break
        return rang

    def close(self) -> None:
        for descriptor in (self._reading, self._writing):
            os.close(descriptor)
