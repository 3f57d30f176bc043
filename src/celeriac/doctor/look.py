"""One look at a system, taken in a thread of its own and waited for no longer than its deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from celeriac.errors import CeleriacError, redacted

Seen = TypeVar("Seen")


class Unseen(Exception):
    """A look that gave nothing. look: its name; why: in one line."""

    def __init__(self, look: str, why: str) -> None:
        super().__init__(look, why)
        self.look = look
        self.why = why


class Look(Generic[Seen]):
    """Calls `take` once, when it is first asked for.

    within_s: after so long nobody waits any more; the thread is left to itself, and ends with the process.
    """

    def __init__(self, name: str, take: Callable[[], Seen], within_s: float) -> None:
        self.name = name
        self._take = take
        self._within_s = within_s
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._deadline: float | None = None
        self._seen: list[Seen] = []
        self._gap = Unseen(name, "")

    def begin(self) -> None:
        """Start to look, and do not wait."""
        with self._lock:
            if self._deadline is None:
                self._deadline = time.monotonic() + self._within_s
                # No pool: its threads are waited for when the process ends, and one may hang for good.
                threading.Thread(target=self._look, name=f"look {self.name}", daemon=True).start()

    def seen(self) -> Seen:
        """Give what was seen.

        Raises: Unseen if the look failed, or gave nothing in time.
        """
        self.begin()
        assert self._deadline is not None
        if not self._done.wait(max(self._deadline - time.monotonic(), 0.0)):
            raise Unseen(self.name, f"no answer within {self._within_s:g}s")
        if not self._seen:
            raise self._gap
        return self._seen[0]

    def _look(self) -> None:
        try:
            self._seen.append(self._take())
        except Unseen as unseen:  # of the look that this one needs
            self._gap = unseen
        except Exception as error:  # whatever a client raises: the other looks go on
            self._gap = Unseen(self.name, said_by(error))
        finally:
            self._done.set()


def said_by(error: BaseException) -> str:
    """Write an error in one line, without a password."""
    said = error.message if isinstance(error, CeleriacError) else str(error)
    line = next((line.strip() for line in said.splitlines() if line.strip()), "")
    return redacted(line.removesuffix(".") or type(error).__name__)
