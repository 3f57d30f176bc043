"""A pipe by which any thread wakes the loop of its own process."""

from __future__ import annotations

import os
from contextlib import suppress

_NEWS, _NO_NEWS = b"!", b"."


class Waker:
    """Rung from any thread; its descriptor is readable until it is silenced."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)

    def fileno(self) -> int:
        return self._reading

    def ring(self, *, is_news: bool = True) -> None:
        """Wake the loop. is_news: for something to look at; else it need only go round once."""
        with suppress(BlockingIOError, OSError):  # full of rings already, or just closed
            os.write(self._writing, _NEWS if is_news else _NO_NEWS)

    def silence(self) -> bool:
        """Forget the rings so far, and say whether any was for news."""
        is_news = False
        with suppress(BlockingIOError):
            while rings := os.read(self._reading, 4096):
                is_news = is_news or _NEWS in rings
                if len(rings) < 4096:
                    break
        return is_news

    def close(self) -> None:
        for descriptor in (self._reading, self._writing):
            os.close(descriptor)
