"""How processes log."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from celeriac.plan.marks import Range, Size

LogFormat = Literal["human", "json"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


class LogFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A log file that all processes write, rotated when it is full.

    path: the file; its folder is made.
    level: what is less important is not written.
    loggers: only these, with those below them, like "django" or "celeriac.performance"; none named: all.
    max_size: at which size it is rotated, to PATH.1, that to PATH.2, and so on.
    keep: how many rotated files stay.
    format: lines for people, or one JSON object a line; None: as `[logs]` says.
    """

    path: str
    level: LogLevel = "INFO"
    loggers: tuple[str, ...] = ()
    max_size: Size = 10 * 1024 * 1024
    keep: Annotated[int, Range(0, 1000)] = 5
    format: LogFormat | None = None


class Logs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How workers, beat and the services log. Without this table: lines for people, as the app itself has set up.

    format: lines for people, or one JSON object a line.
    level: of what is written to standard error; CELERY_LOGLEVEL wins.
    files: what is written to files beside, by name.
    """

    format: LogFormat = "human"
    level: LogLevel = "INFO"
    files: dict[str, LogFile] = {}
