"""A source that is asked with a deadline, so that a broker that hangs does not take the scrape with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Overdue
from typing import Generic, TypeVar

from celeriac.events import emit

Reading = TypeVar("Reading")


class Deadlined(Generic[Reading]):
    """Asks `source` in a thread of its own, the same each time.

    name: what the source is, for the log.
    within_s: how long an answer may take; well under Prometheus's scrape timeout of 10 s.
    """

    def __init__(self, name: str, source: Callable[[], Reading], within_s: float = 3.0) -> None:
        self._name = name
        self._source = source
        self._within_s = within_s
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"read {name}")
        self._lock = threading.Lock()
        self._asked: Future[Reading] | None = None
        self._asked_at = 0.0
        self._is_silent = False

    def __call__(self) -> Reading | None:
        """Give the answer, or None if there was none in time.

        Who asks while a question is under way shares its answer, and its deadline: a source that hangs keeps nobody
        waiting twice.
        """
        with self._lock:
            if self._asked is None or self._asked.done():
                self._asked, self._asked_at = self._thread.submit(self._source), time.monotonic()
            asked, deadline = self._asked, self._asked_at + self._within_s
        try:
            answer = asked.result(max(deadline - time.monotonic(), 0.0))
        except Overdue:
            self._say(f"no answer within {self._within_s:g}s")
            return None
        except (
            Exception
        ) as error:  # whatever a broker's client raises: the other metrics are served all the same
            self._say(error)
            return None
        self._is_silent = False
        return answer

    def _say(self, error: object) -> None:
        """Say it once, until it answers again."""
        if not self._is_silent:
            self._is_silent = True
            emit("observe", "metrics.unread", source=self._name, error=error)
