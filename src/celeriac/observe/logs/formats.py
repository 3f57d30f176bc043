"""How a record is worded: a line for people, or a JSON object for machines."""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from typing import Any

import msgspec

from celeriac.errors import redacted
from celeriac.observe.logs.records import ATTRIBUTE, TaskNote

_BUILT_IN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", ATTRIBUTE}
#: what our events put on a record, and Celery: its data holds the arguments of the task, which are not for logs
_TAKEN = frozenset({"event", "fields", "data"})


class HumanFormatter(logging.Formatter):
    """One line a record: time, level, the task it was made in, message; a traceback follows on lines of its own."""

    default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        """Word the record."""
        record.message = record.getMessage()
        task = task_of(record)
        said = record.message if task is None else f"{_told(task, record.message)} | {record.message}"
        lines = [f"{self.formatTime(record)} {record.levelname:<7} {said}"]
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            lines.append(record.exc_text)
        if record.stack_info:
            lines.append(self.formatStack(record.stack_info))
        return redacted("\n".join(lines))


class JsonFormatter(logging.Formatter):
    """One JSON object a record, on one line.

    time (UTC), level, logger, message, process; in a task: task, task_id, queue, attempt; of an event: event, fields;
    exception, if any; extra: what else was put on the record.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Word the record."""
        content: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": os.getpid(),
        }
        task = task_of(record)
        if task is not None:
            content.update(task=task.name, task_id=task.id, queue=task.queue, attempt=task.attempt)
        else:
            content.update(_spoken_of(record))
        for name in ("event", "fields"):
            if hasattr(record, name):
                content[name] = getattr(record, name)
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            content["exception"] = record.exc_text
        if record.stack_info:
            content["stack"] = record.stack_info
        extra = {
            name: value
            for name, value in vars(record).items()
            if name not in _BUILT_IN and name not in _TAKEN
        }
        if extra:
            content["extra"] = extra
        return redacted(encode(content))


def encode(content: dict[str, Any]) -> str:
    """Write JSON whatever the content is: what JSON has no form for is written as Python shows it."""
    try:
        return msgspec.json.encode(content, enc_hook=repr).decode()
    except (TypeError, ValueError, RecursionError):
        try:
            return json.dumps(content, default=repr, skipkeys=True)
        except (TypeError, ValueError, RecursionError):
            return json.dumps(
                {name: each if isinstance(each, str) else repr(each) for name, each in content.items()}
            )


def task_of(record: logging.LogRecord) -> TaskNote | None:
    """Give the task a record was made in."""
    found = getattr(record, ATTRIBUTE, None)
    return found if isinstance(found, TaskNote) else None


def _told(task: TaskNote, message: str) -> str:
    """Say of a task what the message does not say itself."""
    name = "" if task.id in message else f"{task.name}[{task.id}] "
    return f"{name}queue={task.queue} attempt={task.attempt}"


def _spoken_of(record: logging.LogRecord) -> dict[str, Any]:
    """Give the task that a record of the worker's main process is about, where it says so."""
    data = getattr(record, "data", None)
    if isinstance(data, dict) and "id" in data and "name" in data:
        return {"task": data["name"], "task_id": data["id"]}
    fields = getattr(record, "fields", None)
    if isinstance(fields, dict) and "task_id" in fields:
        return {"task": fields.get("task"), "task_id": fields["task_id"]}
    return {}
