"""Backups of the site's database, each with its checksum beside it, and the way back."""

import hashlib
import os
import sqlite3
import subprocess
import uuid
from contextlib import closing
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils import timezone

KEEP = 7
_DUMP, _COPY, _SUM = ".pgdump", ".sqlite3", ".sha256"


class BrokenBackup(Exception):
    """A backup that cannot be restored."""


def back_up() -> str:
    """Copy the whole database as it is at one moment, while the site works on, and give the file's name.

    The newest 7 are kept. Raises: BrokenBackup; OSError if a program is missing or the disk is full.
    """
    folder = settings.BACKUPS_DIR
    folder.mkdir(parents=True, exist_ok=True)
    is_sqlite = connection.vendor == "sqlite"
    name = f"portfolio-{timezone.now():%Y%m%dT%H%M%S%f}{_COPY if is_sqlite else _DUMP}"
    draft = folder / f".{uuid.uuid4().hex}"
    try:
        (_copy_sqlite if is_sqlite else _dump_postgres)(draft)
        (folder / f"{name}{_SUM}").write_text(f"{_checksum(draft)}  {name}\n")  # as sha256sum reads it
        draft.replace(folder / name)
    finally:
        draft.unlink(missing_ok=True)
    for old in kept()[:-KEEP]:
        old.unlink(missing_ok=True)
        old.with_name(f"{old.name}{_SUM}").unlink(missing_ok=True)
    return name


def kept() -> list[Path]:
    """List the backups there are, oldest first."""
    return sorted(path for path in settings.BACKUPS_DIR.glob("portfolio-*") if path.suffix != _SUM)


def restore(backup: Path) -> None:
    """Put the database back as it was in a backup; stop the site and its workers first.

    Raises: BrokenBackup if the file is no backup of this kind of database, or is damaged.
    """
    wanted = _COPY if connection.vendor == "sqlite" else _DUMP
    if backup.suffix != wanted:
        raise BrokenBackup(
            f"{backup.name} is no backup of {connection.display_name}: that ends with {wanted}"
        )
    _check(backup)
    if connection.vendor == "sqlite":
        connection.close()
        site = connection.settings_dict["NAME"]
        with closing(sqlite3.connect(backup)) as source, closing(sqlite3.connect(site)) as target:
            source.backup(target)
    else:
        _postgres(
            "pg_restore",
            "--clean",
            "--if-exists",
            "--no-owner",
            "--single-transaction",
            str(backup),
            into="--dbname",
        )


def _copy_sqlite(draft: Path) -> None:
    # A connection of its own: the backup is of what is committed, whatever this process is doing.
    with (
        closing(sqlite3.connect(connection.settings_dict["NAME"])) as source,
        closing(sqlite3.connect(draft)) as target,
    ):
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        _check_sqlite(target)


def _check_sqlite(database: sqlite3.Connection) -> None:
    found = database.execute("PRAGMA integrity_check").fetchone()[0]
    if found != "ok":
        raise BrokenBackup(f"the database is damaged: {found}")


def _check(backup: Path) -> None:
    beside = backup.with_name(f"{backup.name}{_SUM}")
    if not beside.is_file():
        raise BrokenBackup(f"{beside.name} is missing, by which it can be told that {backup.name} is whole")
    if beside.read_text().split()[:1] != [_checksum(backup)]:
        raise BrokenBackup(f"{backup.name} is damaged: its checksum is another")


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _dump_postgres(draft: Path) -> None:
    _postgres("pg_dump", "--format=custom", f"--file={draft}", into="--dbname")


def _postgres(program: str, *arguments: str, into: str) -> None:
    database = connection.settings_dict
    where = {
        "PGHOST": database["HOST"],
        "PGPORT": str(database["PORT"]),
        "PGUSER": database["USER"],
        "PGPASSWORD": database["PASSWORD"],  # never on the command line, which everybody on the host can read
    }
    _run(
        [program, f"{into}={database['NAME']}", *arguments],
        {name: said for name, said in where.items() if said},
    )


def _run(command: list[str], environ: dict[str, str]) -> None:
    done = subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BrokenBackup(f"{command[0]} failed: {done.stderr.strip()[-500:]}")
