"""Every log record of this process: it carries the task it was made in, and no credentials of a URL."""

from __future__ import annotations

import logging
import traceback
from typing import Any, NamedTuple

from celery import current_task

from celeriac.errors import redacted

#: one attribute, under a name that no `extra` of anybody has: logging refuses an extra that is there already
ATTRIBUTE = "celeriac_task"
_PLAIN = (int, float, type(None))
_SUSPECT = "://"


class TaskNote(NamedTuple):
    """The task a record was made in.

    attempt: 1 for the first run.
    """

    name: str
    id: str
    queue: str
    attempt: int


def mark_records() -> None:
    """Have every record of this process marked and redacted from now on; doing it again changes nothing."""
    make = logging.getLogRecordFactory()
    if getattr(make, ATTRIBUTE, False):
        return

    def made(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        setattr(record, ATTRIBUTE, note())
        redact(record)
        return record

    setattr(made, ATTRIBUTE, True)
    # Not a filter on each handler: a handler that is added later, by whomever, would miss it.
    logging.setLogRecordFactory(made)


def note() -> TaskNote | None:
    """Say which task runs here now; None outside of one."""
    task = current_task
    request = task.request if task else None
    if request is None or request.id is None or request.called_directly:
        return None
    info = request.delivery_info or {}
    return TaskNote(task.name, request.id, str(info.get("routing_key") or ""), (request.retries or 0) + 1)


def redact(record: logging.LogRecord) -> None:
    """Hide credentials of URLs in a record's message and traceback; a record without any stays as it was made."""
    if _may_hold_url(record):
        try:
            said = record.getMessage()
        except Exception:  # a wrong format string, which logging itself reports when the record is written
            return
        hidden = redacted(said)
        if hidden != said:
            record.msg, record.args = hidden, ()
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    if error is not None:
        text = "".join(traceback.format_exception(error)).rstrip("\n")
        hidden = redacted(text)
        if hidden != text:
            # What a formatter finds here it takes instead of wording the traceback itself.
            record.exc_text = hidden


def _may_hold_url(record: logging.LogRecord) -> bool:
    """Say whether the message must be looked at; wording every record twice would cost more than all the rest."""
    if not isinstance(record.msg, str) or _SUSPECT in record.msg:
        return True
    args = record.args
    for value in args.values() if isinstance(args, dict) else args or ():
        if isinstance(value, str):
            if _SUSPECT in value:
                return True
        elif not isinstance(value, _PLAIN):
            return True
    return False
