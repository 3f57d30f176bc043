"""The results and groups on record, and how they expire."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from celeriac.backends.chords import Payload
from celeriac.backends.order import Run, Standing
from celeriac.backends.sqlite.file import ResultsFile
from celeriac.backends.sqlite.order import STANDING, WRITE
from celeriac.backends.tabled import Row

_IDS_A_LOOK = 500  # stays below the number of variables every build of SQLite takes
_PRUNE_EVERY_S = 60.0
_PRUNE_ROWS = 500  # so that no writer waits long for a prune

_LIVE = "(expires_at IS NULL OR expires_at > ?)"


class ResultRows:
    """Reads and writes of the tables `results` and `groups`. Times are epoch seconds."""

    def __init__(self, file: ResultsFile) -> None:
        self.file = file
        self._next_prune_at = time.monotonic() + _PRUNE_EVERY_S

    def write(self, rows: Sequence[Row]) -> list[Row]:
        """Put states on record in their order, in one transaction, where the order of writes lets them stand.

        Returns: those that a later run forbids; what a success forbids is passed over.
        """
        now = time.time()
        values = [
            {
                "task_id": row.task_id,
                "state": row.state,
                "ready": row.ready,
                "payload": row.payload,
                "expires_at": _expiry(row.keep_s, now),
                "now": now,
                **row.run._asdict(),
            }
            for row in rows
        ]
        # A single statement is a transaction by itself, at half the price.
        with self.file.transaction() if len(rows) > 1 else self.file.reading() as connection:
            stood = [connection.execute(WRITE, each).rowcount > 0 for each in values]
        if time.monotonic() >= self._next_prune_at:
            self._next_prune_at = time.monotonic() + _PRUNE_EVERY_S
            self.prune(rounds=1)
        refused = [row for row, stands in zip(rows, stood, strict=True) if not stands]
        return [row for row in refused if self.standing(row.task_id, row.run) is Standing.OVERTAKEN]

    def standing(self, task_id: str, run: Run) -> Standing:
        """Say whether a write of `run` would stand, and if not, why."""
        values = {"task_id": task_id, "now": time.time(), **run._asdict()}
        with self.file.reading() as connection:
            row = connection.execute(STANDING, values).fetchone()
        if row is None:
            return Standing.OPEN
        if row[0] == "SUCCESS":
            return Standing.SUCCEEDED
        return Standing.OVERTAKEN if row[2] else Standing.OPEN

    def read(self, task_id: str) -> Payload | None:
        """Give what is on record of a task."""
        with self.file.reading() as connection:
            row = connection.execute(
                f"SELECT payload FROM results WHERE task_id = ? AND {_LIVE}", (task_id, time.time())
            ).fetchone()
        return row[0] if row else None

    def read_ready(self, task_ids: Sequence[str]) -> Iterator[tuple[str, Payload]]:
        """Give those of the tasks that have their outcome, with it."""
        for start in range(0, len(task_ids), _IDS_A_LOOK):
            some = task_ids[start : start + _IDS_A_LOOK]
            marks = ",".join("?" * len(some))
            with self.file.reading() as connection:
                found = connection.execute(
                    f"SELECT task_id, payload FROM results WHERE task_id IN ({marks}) AND ready AND {_LIVE}",
                    (*some, time.time()),
                ).fetchall()
            yield from found

    def forget(self, task_id: str) -> None:
        """Take a result off the record."""
        with self.file.reading() as connection:
            connection.execute("DELETE FROM results WHERE task_id = ?", (task_id,))

    def save_group(self, group_id: str, payload: Payload, keep_s: float | None) -> None:
        """Put the members of a group on record."""
        with self.file.reading() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO groups (group_id, payload, expires_at) VALUES (?, ?, ?)",
                (group_id, payload, _expiry(keep_s, time.time())),
            )

    def read_group(self, group_id: str) -> Payload | None:
        """Give the members of a group."""
        with self.file.reading() as connection:
            row = connection.execute(
                f"SELECT payload FROM groups WHERE group_id = ? AND {_LIVE}", (group_id, time.time())
            ).fetchone()
        return row[0] if row else None

    def forget_group(self, group_id: str) -> None:
        """Take a group off the record; the results of its members stay."""
        with self.file.reading() as connection:
            connection.execute("DELETE FROM groups WHERE group_id = ?", (group_id,))

    def prune(self, rounds: int | None = None) -> int:
        """Delete what has expired, 500 rows of each table a transaction.

        rounds: transactions at most; None: until nothing is left.
        Returns: rows deleted.
        """
        deleted = 0
        while rounds is None or rounds > 0:
            gone = self._prune_once()
            deleted += gone
            rounds = rounds if rounds is None else rounds - 1
            if not gone:
                break
        return deleted

    def _prune_once(self) -> int:
        now = time.time()
        with self.file.transaction() as connection:
            over = [
                row[0]
                for row in connection.execute(
                    "SELECT group_id FROM chords WHERE expires_at <= ? LIMIT ?", (now, _PRUNE_ROWS)
                )
            ]
            for group_id in over:
                connection.execute("DELETE FROM chord_parts WHERE group_id = ?", (group_id,))
                connection.execute("DELETE FROM chords WHERE group_id = ?", (group_id,))
            gone = len(over)
            for table in ("results", "groups"):
                gone += connection.execute(
                    f"DELETE FROM {table} WHERE rowid IN "
                    f"(SELECT rowid FROM {table} WHERE expires_at <= ? LIMIT ?)",
                    (now, _PRUNE_ROWS),
                ).rowcount
        return gone


def _expiry(keep_s: float | None, now: float) -> float | None:
    return None if keep_s is None else now + keep_s
