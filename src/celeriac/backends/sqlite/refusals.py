"""What SQLite refuses, said as coded errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from celeriac.errors import ResultsCorrupt, ResultsError, ResultsUnavailable

_PRIMARY_CODE = 0xFF  # the low byte of an extended result code names its family


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
        database,
        else a plain ResultsError.
    """
    family = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
    at = str(path)
    if family in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return ResultsUnavailable(
            "RESULT-001",
            "the results file stayed locked by another process.",
            at=at,
            fix="end the program that holds a transaction open on it (a shell, a backup), then try again",
        )
    if family == sqlite3.SQLITE_NOTADB:
        return ResultsCorrupt(
            "RESULT-002",
            "the results file is not an SQLite database; it was left as it is.",
            at=at,
            fix="move the file away, or give results another path",
        )
    if family == sqlite3.SQLITE_CORRUPT:
        return ResultsCorrupt(
            "RESULT-003",
            f"the results file is damaged ({error}); it was left as it is.",
            at=at,
            fix="move the file away (a new one is made), or recover it with `sqlite3 FILE .recover`",
        )
    if family in (
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_AUTH,
    ):
        return unusable(path, str(error))
    if family == sqlite3.SQLITE_FULL:
        return ResultsUnavailable(
            "RESULT-007",
            "there is no room left for the results file; nothing was written.",
            at=at,
            fix="free space on its disk, or shorten result_expires",
        )
    if family == sqlite3.SQLITE_IOERR:
        return ResultsUnavailable(
            "RESULT-008",
            f"the results file could not be read or written ({error}).",
            at=at,
            fix="look at the disk it lies on; network file systems do not serve SQLite",
        )
    return ResultsError(
        "RESULT-010",
        f"SQLite refused a statement on the results file ({error}).",
        at=at,
        fix="move the file away (a new one is made); if that does not help, report this",
    )


def unusable(path: Path, reason: str) -> ResultsError:
    """Say that this process may not open or write the file."""
    return ResultsError(
        "RESULT-006",
        f"the results file cannot be opened or written ({reason}).",
        at=str(path),
        fix="give this user write permission on the file and its folder, or give results another path",
    )
