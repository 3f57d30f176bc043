"""The tables that results are kept in, made by whoever comes first."""

from __future__ import annotations

from sqlalchemy import Connection, text

from celeriac.errors import ResultsError

VERSION = 1
#: "CelR" in ASCII: held by whoever makes the tables
_MAKING = 0x43656C52

TABLES = """
CREATE TABLE celeriac_results (
    task_id    text PRIMARY KEY,
    state      text NOT NULL,
    ready      boolean NOT NULL,   -- nobody need wait any longer
    payload    bytea NOT NULL,     -- Celery's result meta, in result_serializer
    line       text,               -- these four: who wrote it last, see celeriac/backends/order.py
    generation bigint,
    retries    bigint,
    deliveries bigint,
    expires_at timestamptz         -- by the server's clock; NULL: never
);
CREATE INDEX celeriac_results_expiry ON celeriac_results (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE celeriac_groups (
    group_id   text PRIMARY KEY,
    payload    bytea NOT NULL,
    expires_at timestamptz
);
CREATE INDEX celeriac_groups_expiry ON celeriac_groups (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE celeriac_chords (
    group_id   text PRIMARY KEY,
    size       bigint,                        -- parts it was sent with; NULL: not all sent yet
    added      bigint NOT NULL DEFAULT 0,     -- parts added by Task.add_to_chord
    arrived    bigint NOT NULL DEFAULT 0,     -- parts with an outcome
    failed     bigint NOT NULL DEFAULT 0,     -- of these, parts whose outcome is no success
    state      text NOT NULL DEFAULT 'open',  -- open, failed (errbacks called), fired (body published)
    header     bytea,                         -- the nested shape of the header, if it is not flat
    expires_at timestamptz
);
CREATE INDEX celeriac_chords_expiry ON celeriac_chords (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE celeriac_chord_parts (
    group_id text NOT NULL REFERENCES celeriac_chords ON DELETE CASCADE,
    task_id  text NOT NULL,
    position bigint NOT NULL,  -- index in the header
    failed   boolean NOT NULL,
    payload  bytea NOT NULL,
    number   bigserial,        -- the order in which they came in
    PRIMARY KEY (group_id, task_id, position)
);

CREATE TABLE celeriac_results_format (version integer NOT NULL);
"""


def prepare(connection: Connection) -> None:
    """Make the tables if they are not there, inside the caller's transaction.

    Raises: ResultsError RESULT-032 if a newer Celeriac made them; SQLAlchemy's errors.
    """
    if _is_ready(connection):
        return
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MAKING})
    # Another process may have made them while we waited for the lock.
    if not _is_ready(connection):
        connection.exec_driver_sql(TABLES)
        connection.exec_driver_sql(f"INSERT INTO celeriac_results_format VALUES ({VERSION})")


def _is_ready(connection: Connection) -> bool:
    if connection.exec_driver_sql("SELECT to_regclass('celeriac_results_format')").scalar() is None:
        return False
    version = connection.exec_driver_sql("SELECT max(version) FROM celeriac_results_format").scalar() or 0
    if version > VERSION:
        raise ResultsError(
            "RESULT-032",
            f"the tables of the results have format {version}, made by a newer Celeriac.",
            known=[str(VERSION)],
            fix="upgrade celeriac here, or give results another database",
        )
    return True
