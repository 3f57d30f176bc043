"""What SQLite refuses, said as coded errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from celeriac.errors import ResultsCorrupt, ResultsError, ResultsUnavailable

_PRIMARY_CODE = 0xFF  # the low byte of an extended result code names its family


class _Refusal(NamedTuple):
    kind: type[ResultsError]
    code: str
    message: str  # {error}: SQLite's own words
    fix: str


_LOCKED = _Refusal(
    ResultsUnavailable,
    "RESULT-001",
    "the results file stayed locked by another process.",
    fix="end the program that holds a transaction open on it (a shell, a backup), then try again",
)
_UNUSABLE = _Refusal(
    ResultsError,
    "RESULT-006",
    "the results file cannot be opened or written ({error}).",
    fix="give this user write permission on the file and its folder, or give results another path",
)
_UNKNOWN = _Refusal(
    ResultsError,
    "RESULT-010",
    "SQLite refused a statement on the results file ({error}).",
    fix="move the file away (a new one is made); if that does not help, report this",
)
_REFUSALS = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_READONLY: _UNUSABLE,
    sqlite3.SQLITE_CANTOPEN: _UNUSABLE,
    sqlite3.SQLITE_PERM: _UNUSABLE,
    sqlite3.SQLITE_NOTADB: _Refusal(
        ResultsCorrupt,
        "RESULT-002",
        "the results file is not an SQLite database; it was left as it is.",
        fix="move the file away, or give results another path",
    ),
    sqlite3.SQLITE_CORRUPT: _Refusal(
        ResultsCorrupt,
        "RESULT-003",
        "the results file is damaged ({error}); it was left as it is.",
        fix="move the file away (a new one is made), or recover it with `sqlite3 FILE .recover`",
    ),
    sqlite3.SQLITE_FULL: _Refusal(
        ResultsUnavailable,
        "RESULT-007",
        "there is no room left for the results file; nothing was written.",
        fix="free space on its disk, or shorten result_expires",
    ),
    sqlite3.SQLITE_IOERR: _Refusal(
        ResultsUnavailable,
        "RESULT-008",
        "the results file could not be read or written ({error}).",
        fix="look at the disk it lies on; network file systems do not serve SQLite",
    ),
}


@contextmanager
def coded(path: Path) -> Iterator[None]:
    """Turn what sqlite3 raises inside into a ResultsError about the file at `path`."""
    try:
        yield
    except sqlite3.Error as error:
        raise explained(error, path) from error


def explained(error: sqlite3.Error, path: Path) -> ResultsError:
    """Name what SQLite refused.

    Returns: ResultsUnavailable if trying again may help, ResultsCorrupt if the file is damaged or no
        database, else a plain ResultsError.
    """
    family = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
    return _said(_REFUSALS.get(family, _UNKNOWN), str(error), path)


def unusable(path: Path, reason: str) -> ResultsError:
    """Say that this process may not open or write the file."""
    return _said(_UNUSABLE, reason, path)


def _said(refusal: _Refusal, error: str, path: Path) -> ResultsError:
    return refusal.kind(refusal.code, refusal.message.format(error=error), at=str(path), fix=refusal.fix)
