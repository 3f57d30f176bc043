"""What a pool reports of a run that did not succeed, put into one form."""

from __future__ import annotations

from typing import Any

from billiard.einfo import ExceptionInfo, ExceptionWithTraceback
from celery.exceptions import WorkerLostError

from celeriac.tasks.retry import Died


def unwrapped(exc_info: ExceptionInfo) -> BaseException:
    """Give the exception that a pool reports, out of the wrapper it travels in between processes."""
    error = exc_info.exception
    found: Any = error.exc if isinstance(error, ExceptionWithTraceback) else error
    assert isinstance(found, BaseException)
    return found


def worker_lost(error: BaseException, exc_info: ExceptionInfo) -> ExceptionInfo:
    """Word the end of a run as Celery words a lost worker, with the traceback of what ended it."""
    cause = error.reason if isinstance(error, Died) else repr(error)
    try:
        raise WorkerLostError(f"Worker exited prematurely: {cause}.")  # noqa: TRY301 - it needs a traceback
    except WorkerLostError:
        lost = ExceptionInfo()
    lost.traceback = exc_info.traceback
    return lost
