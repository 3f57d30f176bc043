"""Chords in two tables; what their states mean is told in `celeriac.backends.chords`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

from celeriac.backends.chords import Part, Payload, Step, next_step
from celeriac.backends.postgres.database import Database
from celeriac.backends.postgres.rows import STANDING
from celeriac.backends.postgres.text import storable

_LATER = "clock_timestamp() + CAST(:keep_s AS float8) * interval '1 second'"


class PostgresChords:
    """The chords of one database.

    keep_s: how long an unfinished chord is kept after its last news; None: until it has fired, since a dead letter may
        be replayed at any time.
    keep_fired_s: how long a fired chord is remembered, so that a late copy of a part changes nothing; None: for good.
    """

    def __init__(self, database: Database, *, keep_s: float | None, keep_fired_s: float | None) -> None:
        self._database = database
        self._keep_s = keep_s
        self._keep_fired_s = keep_fired_s

    def expect(self, group_id: str, size: int) -> None:
        """Say how many parts the chord was sent with."""
        self._upsert(group_id, "size", size, "excluded.size")

    def expect_one_more(self, group_id: str) -> None:
        """Say that one of the parts has added another."""
        self._upsert(group_id, "added", 1, "c.added + 1")

    def keep_header(self, group_id: str, payload: Payload) -> None:
        """Keep the shape of a header that holds groups in groups."""
        self._upsert(group_id, "header", _octets(payload), "excluded.header")

    def _upsert(self, group_id: str, column: str, value: Any, update: str) -> None:
        with self._database.statement() as connection:
            connection.execute(
                text(
                    f"INSERT INTO celeriac_chords AS c (group_id, {column}, expires_at) "
                    f"VALUES (:id, :value, {_LATER}) ON CONFLICT (group_id) DO UPDATE "
                    f"SET {column} = {update}, expires_at = excluded.expires_at WHERE c.state <> 'fired'"
                ),
                {"id": storable(group_id), "value": value, "keep_s": self._keep_s},
            )

    def arrive(self, part: Part) -> Step:
        """Put a part's outcome on record and say what is to be done now."""
        chord: dict[str, Any] = {"id": storable(part.group_id), "keep_s": self._keep_s}
        with self._database.transaction() as connection:
            connection.execute(
                text(
                    f"INSERT INTO celeriac_chords (group_id, expires_at) VALUES (:id, {_LATER}) "
                    "ON CONFLICT DO NOTHING"
                ),
                chord,
            )
            # Held until the end: parts that come at the same time are counted one after the other.
            size, added, arrived, failed, state = connection.execute(
                text(
                    "SELECT size, added, arrived, failed, state FROM celeriac_chords "
                    "WHERE group_id = :id FOR UPDATE"
                ),
                chord,
            ).one()
            if state == "fired":
                return Step.WAIT
            came, went_wrong = _count_in(connection, part)
            arrived, failed = arrived + came, failed + went_wrong
            connection.execute(
                text(
                    "UPDATE celeriac_chords SET arrived = :arrived, failed = :failed, "
                    f"expires_at = {_LATER} WHERE group_id = :id"
                ),
                {**chord, "arrived": arrived, "failed": failed},
            )
        return next_step(None if size is None else size + added, arrived, failed, state)

    def parts(self, group_id: str) -> list[tuple[str, bool, Payload]]:
        """Give task id, whether it failed, and payload of every part that is in, in the header's order."""
        with self._database.statement() as connection:
            found = connection.execute(
                text(
                    "SELECT task_id, failed, payload FROM celeriac_chord_parts WHERE group_id = :id "
                    "ORDER BY position, number"
                ),
                {"id": storable(group_id)},
            )
            return [(task_id, failed, payload) for task_id, failed, payload in found]

    def header(self, group_id: str) -> Payload | None:
        """Give the header's shape, if it was kept."""
        with self._database.statement() as connection:
            header: bytes | None = connection.execute(
                text("SELECT header FROM celeriac_chords WHERE group_id = :id"), {"id": storable(group_id)}
            ).scalar()
        return header

    def mark_fired(self, group_id: str) -> None:
        """Write down that the body is published; the parts are not needed any more."""
        with self._database.transaction() as connection:
            values = {"id": storable(group_id), "keep_s": self._keep_fired_s}
            connection.execute(
                text(
                    f"UPDATE celeriac_chords SET state = 'fired', header = NULL, expires_at = {_LATER} "
                    "WHERE group_id = :id"
                ),
                values,
            )
            connection.execute(text("DELETE FROM celeriac_chord_parts WHERE group_id = :id"), values)

    def mark_failed(self, group_id: str) -> None:
        """Write down that the errbacks are called; the parts stay, for a replay may mend the chord."""
        with self._database.statement() as connection:
            connection.execute(
                text("UPDATE celeriac_chords SET state = 'failed' WHERE group_id = :id AND state = 'open'"),
                {"id": storable(group_id)},
            )


def _count_in(connection: Connection, part: Part) -> tuple[int, int]:
    """Record one part; say by how much the counts of arrived and of failed parts change."""
    failed, payload = part.failed, _octets(part.payload)
    run = {**part.run._asdict(), "line": storable(part.run.line)}
    standing = connection.execute(STANDING, {"task_id": storable(part.task_id), **run}).one_or_none()
    if standing is not None:
        if standing[0] == "SUCCESS":
            failed, payload = False, standing[1]
        elif standing[2]:
            return 0, 0
    values = {
        "id": storable(part.group_id),
        "task": storable(part.task_id),
        "position": part.position,
        "failed": failed,
        "payload": payload,
    }
    here = "group_id = :id AND task_id = :task AND position = :position"
    known = connection.execute(
        text(f"SELECT failed FROM celeriac_chord_parts WHERE {here}"), values
    ).one_or_none()
    if known is None:
        connection.execute(
            text(
                "INSERT INTO celeriac_chord_parts (group_id, task_id, position, failed, payload) "
                "VALUES (:id, :task, :position, :failed, :payload)"
            ),
            values,
        )
        return 1, int(failed)
    if not known[0]:
        return 0, 0
    connection.execute(
        text(f"UPDATE celeriac_chord_parts SET failed = :failed, payload = :payload WHERE {here}"), values
    )
    return 0, int(failed) - 1


def _octets(payload: Payload) -> bytes:
    return payload if isinstance(payload, bytes) else payload.encode()
