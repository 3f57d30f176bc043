"""Chords in two tables, `chords` and `chord_parts`; what their states mean is told in `celeriac.backends.chords`."""

from __future__ import annotations

import sqlite3
import time

from celeriac.backends.chords import Part, Payload, Step, next_step
from celeriac.backends.sqlite.file import ResultsFile
from celeriac.backends.sqlite.order import STANDING


class Chords:
    """Reads and writes of the tables `chords` and `chord_parts`, each write synced to the disk.

    keep_s: how long an unfinished chord is kept after its last news; None: until it has fired, since a dead
        letter
        may be replayed at any time.
    keep_fired_s: how long a fired chord is remembered, so that a late copy of a part changes nothing; None:
        for good.
    """

    def __init__(self, file: ResultsFile, *, keep_s: float | None, keep_fired_s: float | None) -> None:
        self.file = file
        self.keep_s = keep_s
        self.keep_fired_s = keep_fired_s

    def expect(self, group_id: str, size: int) -> None:
        """Say how many parts the chord was sent with."""
        self._upsert(group_id, "size", size, "excluded.size")

    def expect_one_more(self, group_id: str) -> None:
        """Say that one of the parts has added another."""
        self._upsert(group_id, "added", 1, "added + 1")

    def keep_header(self, group_id: str, payload: Payload) -> None:
        """Keep the shape of a header that holds groups in groups."""
        self._upsert(group_id, "header", payload, "excluded.header")

    def _upsert(self, group_id: str, column: str, value: object, update: str) -> None:
        with self.file.transaction(synced=True) as connection:
            connection.execute(
                f"INSERT INTO chords (group_id, {column}, expires_at) VALUES (?, ?, ?) "
                f"ON CONFLICT (group_id) DO UPDATE SET {column} = {update}, expires_at = excluded.expires_at "
                "WHERE state <> 'fired'",
                (group_id, value, _later(self.keep_s)),
            )

    def arrive(self, part: Part) -> Step:
        """Put a part's outcome on record and say what is to be done now.

        The outcome on record in `results` goes before the one given: a run that was overtaken is not
        counted, and where a success stands, a later failure of the same task counts as that success.
        """
        with self.file.transaction(synced=True) as connection:
            connection.execute(
                "INSERT OR IGNORE INTO chords (group_id, expires_at) VALUES (?, ?)",
                (part.group_id, _later(self.keep_s)),
            )
            size, added, arrived, failed, state = connection.execute(
                "SELECT size, added, arrived, failed, state FROM chords WHERE group_id = ?", (part.group_id,)
            ).fetchone()
            if state == "fired":
                return Step.WAIT
            came, went_wrong = _count_in(connection, part)
            arrived, failed = arrived + came, failed + went_wrong
            connection.execute(
                "UPDATE chords SET arrived = ?, failed = ?, expires_at = ? WHERE group_id = ?",
                (arrived, failed, _later(self.keep_s), part.group_id),
            )
        return next_step(None if size is None else size + added, arrived, failed, state)

    def parts(self, group_id: str) -> list[tuple[str, bool, Payload]]:
        """Give task id, whether it failed, and payload of every part that is in, in the header's order."""
        with self.file.reading() as connection:
            return connection.execute(
                "SELECT task_id, failed, payload FROM chord_parts WHERE group_id = ? "
                "ORDER BY position, rowid",
                (group_id,),
            ).fetchall()

    def header(self, group_id: str) -> Payload | None:
        """Give the header's shape, if it was kept."""
        with self.file.reading() as connection:
            row = connection.execute("SELECT header FROM chords WHERE group_id = ?", (group_id,)).fetchone()
        return row[0] if row else None

    def mark_fired(self, group_id: str) -> None:
        """Write down that the body is published; the parts are not needed any more."""
        with self.file.transaction(synced=True) as connection:
            connection.execute(
                "UPDATE chords SET state = 'fired', header = NULL, expires_at = ? WHERE group_id = ?",
                (_later(self.keep_fired_s), group_id),
            )
            connection.execute("DELETE FROM chord_parts WHERE group_id = ?", (group_id,))

    def mark_failed(self, group_id: str) -> None:
        """Write down that the errbacks were called; the parts stay, for a mend."""
        with self.file.transaction(synced=True) as connection:
            connection.execute(
                "UPDATE chords SET state = 'failed' WHERE group_id = ? AND state = 'open'", (group_id,)
            )


def _count_in(connection: sqlite3.Connection, part: Part) -> tuple[int, int]:
    """Record one part; say by how much the counts of arrived and of failed parts change."""
    failed, payload = part.failed, part.payload
    standing = connection.execute(
        STANDING, {"task_id": part.task_id, "now": time.time(), **part.run._asdict()}
    ).fetchone()
    if standing is not None:
        if standing[0] == "SUCCESS":
            failed, payload = False, standing[1]
        elif standing[2]:
            return 0, 0
    key = (part.group_id, part.task_id, part.position)
    known = connection.execute(
        "SELECT failed FROM chord_parts WHERE group_id = ? AND task_id = ? AND position = ?", key
    ).fetchone()
    if known is None:
        connection.execute("INSERT INTO chord_parts VALUES (?, ?, ?, ?, ?)", (*key, failed, payload))
        return 1, int(failed)
    if not known[0]:
        return 0, 0
    connection.execute(
        "UPDATE chord_parts SET failed = ?, payload = ? WHERE group_id = ? AND task_id = ? AND position = ?",
        (failed, payload, *key),
    )
    return 0, int(failed) - 1


def _later(keep_s: float | None) -> float | None:
    return None if keep_s is None else time.time() + keep_s
