"""The results and groups on record, and how they expire."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import text

from celeriac.backends.chords import Payload
from celeriac.backends.order import Run, Standing
from celeriac.backends.postgres.database import Database
from celeriac.backends.postgres.text import storable
from celeriac.backends.tabled import Row

_IDS_A_LOOK = 1000
_PRUNE_EVERY_S = 60.0
_PRUNE_ROWS = 500  # so that no writer waits long for a prune
#: told of every outcome; a notification holds 8000 bytes at most
CHANNEL = "celeriac_results"
_MARKS_EACH = 400

#: against a row of celeriac_results, called r
IS_LIVE = "(r.expires_at IS NULL OR r.expires_at > clock_timestamp())"
IS_OVERTAKEN = """(r.line IS NOT NULL AND r.line IS NOT DISTINCT FROM {line}
    AND (r.generation, r.retries, r.deliveries) > ({generation}, {retries}, {deliveries}))"""
_OVERTAKES = IS_OVERTAKEN.format(
    line="excluded.line",
    generation="excluded.generation",
    retries="excluded.retries",
    deliveries="excluded.deliveries",
)

# One statement, and therefore one step: rows in the order of their keys, so that two writers never wait for each other.
_WRITE = text(f"""
WITH incoming AS (
    SELECT * FROM unnest(
        CAST(:task_ids AS text[]), CAST(:states AS text[]), CAST(:readies AS boolean[]), CAST(:payloads AS bytea[]),
        CAST(:lines AS text[]), CAST(:generations AS bigint[]), CAST(:retries AS bigint[]),
        CAST(:deliveries AS bigint[]), CAST(:keeps AS float8[]), CAST(:marks AS text[])
    ) WITH ORDINALITY
    AS i (task_id, state, ready, payload, line, generation, retries, deliveries, keep_s, mark, place)
), stood AS (
    INSERT INTO celeriac_results AS r
        (task_id, state, ready, payload, line, generation, retries, deliveries, expires_at)
    SELECT task_id, state, ready, payload, line, generation, retries, deliveries,
        clock_timestamp() + keep_s * interval '1 second'
    FROM incoming ORDER BY task_id
    ON CONFLICT (task_id) DO UPDATE SET
        state = excluded.state,
        ready = excluded.ready,
        payload = excluded.payload,
        expires_at = excluded.expires_at,
        line = COALESCE(excluded.line, r.line),
        generation = COALESCE(excluded.generation, r.generation),
        retries = COALESCE(excluded.retries, r.retries),
        deliveries = COALESCE(excluded.deliveries, r.deliveries)
    WHERE NOT {IS_LIVE} OR (r.state <> 'SUCCESS' AND NOT {_OVERTAKES})
    RETURNING r.task_id
), rung AS (
    SELECT count(pg_notify('{CHANNEL}', marks)) FROM (
        SELECT string_agg(mark, ' ') AS marks FROM stood JOIN incoming USING (task_id) WHERE ready
        GROUP BY place / {_MARKS_EACH}
    ) AS said
)
SELECT task_id, (SELECT * FROM rung) FROM stood
""")

STANDING = text(
    f"SELECT r.state, r.payload, {IS_OVERTAKEN} FROM celeriac_results AS r "
    f"WHERE r.task_id = :task_id AND {IS_LIVE}".format(
        line="CAST(:line AS text)",
        generation="CAST(:generation AS bigint)",
        retries="CAST(:retries AS bigint)",
        deliveries="CAST(:deliveries AS bigint)",
    )
)


def mark_of(task_id: str) -> str:
    """Name a task to whoever waits for it: 16 letters, whatever the id is like."""
    return hashlib.blake2s(storable(task_id).encode(), digest_size=8).hexdigest()


class ResultRows:
    """Reads and writes of the tables `celeriac_results` and `celeriac_groups`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._next_prune_at = time.monotonic() + _PRUNE_EVERY_S

    def write(self, rows: Iterable[Row]) -> list[Row]:
        """Put states on record in their order, where the order of writes lets them stand.

        Returns: those that a later run forbids; what a success forbids is passed over.
        """
        overtaken: list[Row] = []
        for some in _rounds(rows):
            stood = self._write(some)
            refused = [row for row in some if storable(row.task_id) not in stood]
            overtaken += [row for row in refused if self.standing(row.task_id, row.run) is Standing.OVERTAKEN]
        if time.monotonic() >= self._next_prune_at:
            self._next_prune_at = time.monotonic() + _PRUNE_EVERY_S
            self.prune(rounds=1)
        return overtaken

    def _write(self, rows: Sequence[Row]) -> set[str]:
        values = {
            "task_ids": [storable(row.task_id) for row in rows],
            "states": [storable(row.state) for row in rows],
            "readies": [row.ready for row in rows],
            "payloads": [row.payload for row in rows],
            "lines": [storable(row.run.line) for row in rows],
            "generations": [row.run.generation for row in rows],
            "retries": [row.run.retries for row in rows],
            "deliveries": [row.run.deliveries for row in rows],
            "keeps": [row.keep_s for row in rows],
            "marks": [mark_of(row.task_id) for row in rows],
        }
        with self.database.statement() as connection:
            return {row[0] for row in connection.execute(_WRITE, values)}

    def standing(self, task_id: str, run: Run) -> Standing:
        """Say whether a write of `run` would stand, and if not, why."""
        values = {"task_id": storable(task_id), **run._asdict(), "line": storable(run.line)}
        with self.database.statement() as connection:
            row = connection.execute(STANDING, values).one_or_none()
        if row is None:
            return Standing.OPEN
        if row[0] == "SUCCESS":
            return Standing.SUCCEEDED
        return Standing.OVERTAKEN if row[2] else Standing.OPEN

    def read(self, task_id: str) -> Payload | None:
        """Give what is on record of a task."""
        with self.database.statement() as connection:
            payload: bytes | None = connection.execute(
                text(f"SELECT r.payload FROM celeriac_results AS r WHERE r.task_id = :id AND {IS_LIVE}"),
                {"id": storable(task_id)},
            ).scalar()
        return payload

    def read_ready(self, task_ids: Sequence[str]) -> Iterator[tuple[str, Payload]]:
        """Give those of the tasks that have their outcome, with it."""
        for start in range(0, len(task_ids), _IDS_A_LOOK):
            named = {storable(task_id): task_id for task_id in task_ids[start : start + _IDS_A_LOOK]}
            with self.database.statement() as connection:
                found = connection.execute(
                    text(
                        "SELECT r.task_id, r.payload FROM celeriac_results AS r "
                        f"WHERE r.task_id = ANY(:ids) AND r.ready AND {IS_LIVE}"
                    ),
                    {"ids": list(named)},
                ).all()
            for name, payload in found:
                yield named[name], payload

    def forget(self, task_id: str) -> None:
        """Take a result off the record."""
        with self.database.statement() as connection:
            connection.execute(
                text("DELETE FROM celeriac_results WHERE task_id = :id"), {"id": storable(task_id)}
            )

    def save_group(self, group_id: str, payload: bytes, keep_s: float | None) -> None:
        """Put the members of a group on record."""
        with self.database.statement() as connection:
            connection.execute(
                text(
                    "INSERT INTO celeriac_groups VALUES "
                    "(:id, :payload, clock_timestamp() + CAST(:keep_s AS float8) * interval '1 second') "
                    "ON CONFLICT (group_id) DO UPDATE "
                    "SET payload = excluded.payload, expires_at = excluded.expires_at"
                ),
                {"id": storable(group_id), "payload": payload, "keep_s": keep_s},
            )

    def read_group(self, group_id: str) -> Payload | None:
        """Give the members of a group."""
        with self.database.statement() as connection:
            payload: bytes | None = connection.execute(
                text(f"SELECT r.payload FROM celeriac_groups AS r WHERE r.group_id = :id AND {IS_LIVE}"),
                {"id": storable(group_id)},
            ).scalar()
        return payload

    def forget_group(self, group_id: str) -> None:
        """Take a group off the record; the results of its members stay."""
        with self.database.statement() as connection:
            connection.execute(
                text("DELETE FROM celeriac_groups WHERE group_id = :id"), {"id": storable(group_id)}
            )

    def prune(self, rounds: int | None = None) -> int:
        """Delete what has expired, 500 rows of each table at a time.

        rounds: times at most; None: until nothing is left.
        Returns: rows deleted.
        """
        deleted = 0
        while rounds is None or rounds > 0:
            gone = sum(self._prune(table) for table in ("results", "groups", "chords"))
            deleted += gone
            rounds = rounds if rounds is None else rounds - 1
            if not gone:
                break
        return deleted

    def _prune(self, table: str) -> int:
        with self.database.statement() as connection:
            return connection.execute(
                text(
                    f"DELETE FROM celeriac_{table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM celeriac_{table} "
                    f"WHERE expires_at <= clock_timestamp() LIMIT {_PRUNE_ROWS} FOR UPDATE SKIP LOCKED))"
                )
            ).rowcount


def _rounds(rows: Iterable[Row]) -> list[list[Row]]:
    """Part the rows so that each task is written once by each statement, its states in their order."""
    rounds: list[list[Row]] = []
    written: dict[str, int] = {}
    for row in rows:
        place = written.get(row.task_id, 0)
        written[row.task_id] = place + 1
        if place == len(rounds):
            rounds.append([])
        rounds[place].append(row)
    return rounds
