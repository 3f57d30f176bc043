"""The rule of one thread for each task process, checked after every run."""

from __future__ import annotations

import logging
import threading
from typing import Any

from celeriac import Hooks
from celeriac.tasks.hooks import Run

logger = logging.getLogger(__name__)


class OneThread(Hooks):
    """Logs an error for each run that leaves a thread behind in its process.

    Such a thread competes with later tasks for the interpreter, and goes on while the worker drains.
    """

    def on_success(self, run: Run, result: Any) -> None:
        """Look after a run that ended well."""
        self._look(run)

    def on_failure(self, run: Run, error: BaseException) -> None:
        """Look after a run that failed for good."""
        self._look(run)

    def _look(self, run: Run) -> None:
        more = [each.name for each in threading.enumerate() if each is not threading.main_thread()]
        if more:
            logger.error("thread rule broken by %s[%s]: %s", run.task, run.task_id, ", ".join(more))
