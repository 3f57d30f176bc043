"""Setting logging up as the plan's `[logs]` says."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

from celery import Celery, signals

from celeriac.events import emit
from celeriac.observe.logs.files import SharedFile
from celeriac.observe.logs.formats import HumanFormatter, JsonFormatter
from celeriac.observe.logs.records import mark_records
from celeriac.plan import LogFile, Logs, Plan
from celeriac.plan.tables.logs import LogFormat

_OURS = "celeriac_logs"
_BEGAN = "celeriac_logged_from"


def set_up_logs(plan: Plan, level: int | str | None = None) -> None:
    """Write this process's logs as the plan says; without `[logs]`, lines for people on standard error.

    level: over the plan's.
    Handlers that write to standard output or error are replaced by ours, others stay. Doing it again replaces ours.
    """
    mark_records()
    logs = plan.logs or Logs()
    root = logging.getLogger()
    for handler in tuple(root.handlers):
        if getattr(handler, _OURS, False) or _is_terminal(handler):
            root.removeHandler(handler)
    screen = logging.StreamHandler(sys.__stderr__)
    screen.setLevel(level if level is not None else logs.level)
    root.setLevel(screen.level)
    handlers: list[tuple[logging.Handler, LogFormat | None]] = [(screen, None)]
    handlers += [(_file(plan, file), file.format) for file in logs.files.values()]
    for handler, form in handlers:
        setattr(handler, _OURS, True)
        handler.setFormatter(JsonFormatter() if (form or logs.format) == "json" else HumanFormatter())
        root.addHandler(handler)
    for file in logs.files.values():
        for name in file.loggers or ("",):
            logger = logging.getLogger(name)
            # A file may want more than the screen; only the loggers it names are made to say more.
            logger.setLevel(min(logger.getEffectiveLevel(), logging.getLevelName(file.level)))


def follow_celery(app: Celery, plan: Plan) -> None:
    """Do it where Celery would set logging up itself, for workers and beat, if the plan has `[logs]`."""
    if plan.logs is None:
        return

    def set_up(loglevel: Any = None, **_: Any) -> None:
        set_up_logs(plan, loglevel)
        if app.conf.worker_redirect_stdouts:
            # What a task prints would stand between the records.
            app.log.redirect_stdouts(app.conf.worker_redirect_stdouts_level)

    for signal, receiver in (
        (signals.setup_logging, set_up),
        (signals.task_prerun, _begin),
        (signals.task_postrun, _end),
    ):
        signal.connect(receiver, weak=False, dispatch_uid=f"celeriac.observe.logs:{receiver.__name__}")


def _begin(task: Any, **_: Any) -> None:
    setattr(task.request, _BEGAN, time.perf_counter())


def _end(task: Any, task_id: str, state: str | None = None, **_: Any) -> None:
    began = getattr(task.request, _BEGAN, None)
    if began is not None:
        run_s = time.perf_counter() - began
        emit("performance", "task.ended", task=task.name, task_id=task_id, state=state, run_s=run_s)


def _file(plan: Plan, file: LogFile) -> logging.Handler:
    handler = SharedFile(plan.folder.absolute() / file.path, max_bytes=file.max_size, keep=file.keep)
    handler.setLevel(file.level)
    if file.loggers:
        handler.addFilter(lambda record: any(_is_under(record.name, name) for name in file.loggers))
    return handler


def _is_under(logger: str, name: str) -> bool:
    return logger == name or logger.startswith(f"{name}.")


def _is_terminal(handler: logging.Handler) -> bool:
    streams = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    return type(handler) is logging.StreamHandler and handler.stream in streams
