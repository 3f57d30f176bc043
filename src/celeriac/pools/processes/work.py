"""What runs the tasks in a slot: a Celery pool of one, in the slot's own process and loop."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from billiard.common import _shutdown_cleanup
from billiard.compat import mem_rss
from billiard.einfo import ExceptionInfo
from billiard.exceptions import SoftTimeLimitExceeded
from celery.concurrency.base import BasePool
from celery.exceptions import WorkerLostError
from celery.utils.log import get_logger

from celeriac.pools.processes.page import Page

logger = get_logger(__name__)


class SlotPool(BasePool):
    """Runs each task at once, writes on the page which, and lets the parent's signals in only meanwhile.

    limits: the pool's soft and hard limit in seconds, for tasks that have none; 0 for none.
    most_tasks, most_kib: after so many runs, or above so much memory, `is_spent` is true; None: never.
    """

    #: a body stays as it was decoded: no pipe leads to where the task runs
    body_can_be_buffer = True

    def __init__(
        self,
        page: Page,
        *,
        app: Any,
        limits: tuple[float, float],
        most_tasks: int | None,
        most_kib: int | None,
        on_spent: Callable[[], None],
    ) -> None:
        super().__init__(1, app=app)
        self._page = page
        self._soft_s, self._hard_s = limits
        self._most_tasks, self._most_kib = most_tasks, most_kib
        self._on_spent = on_spent
        self._runs = 0
        self._pid = os.getpid()
        self._number = 0
        self._say_soft: Callable[..., Any] | None = None
        self._run_soft_s = 0.0
        #: the request that is handed over now
        self.request: Any = None

    @property
    def num_processes(self) -> int:
        return 1

    def hear_signals(self) -> None:
        """Act on the parent's signals from now on; those of a terminal or a service manager are its affair."""
        signal.signal(signal.SIGUSR1, self._on_soft)
        signal.signal(signal.SIGTERM, self._on_end)
        signal.signal(signal.SIGQUIT, signal.SIG_IGN)

    def on_apply(
        self,
        target: Any,
        args: Any = None,
        kwargs: Any = None,
        callback: Any = None,
        accept_callback: Any = None,
        timeout_callback: Any = None,
        error_callback: Any = None,
        soft_timeout: float | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> None:
        request = self.request
        self._say_soft = timeout_callback
        self._run_soft_s = self._soft_s if soft_timeout is None else soft_timeout
        accept_callback(self._pid, time.monotonic())
        number = self._page.begin(
            request.id,
            request.name,
            str(request.message.delivery_tag),
            self._run_soft_s,
            self._hard_s if timeout is None else timeout,
        )
        try:
            self._number = number
            try:
                outcome = target(*args, **kwargs or {})
            finally:
                self._number = 0
        except (SystemExit, KeyboardInterrupt):
            # The parent ends this process, and settles the task. On the page it still runs.
            raise
        except BaseException as error:
            self._page.end()
            lost = error if isinstance(error, MemoryError) else WorkerLostError(repr(error))
            error_callback(ExceptionInfo((type(lost), lost, error.__traceback__)))
        else:
            callback(outcome)
            self._page.end()
        self._count()

    def _count(self) -> None:
        self._runs += 1
        if self._most_tasks and self._runs >= self._most_tasks:
            self._on_spent()
        elif self._most_kib and mem_rss() > self._most_kib:
            logger.info("child process exiting after exceeding memory limit (%dKiB)", self._most_kib)
            self._on_spent()

    def _on_soft(self, signum: int, frame: FrameType | None) -> None:
        if self._number and self._page.is_to_end(self._number, softly=True):
            if self._say_soft is not None:
                self._say_soft(True, self._run_soft_s)
            raise SoftTimeLimitExceeded()

    def _on_end(self, signum: int, frame: FrameType | None) -> None:
        if self._number and self._page.is_to_end(self._number, softly=False):
            _shutdown_cleanup(signum, frame)
