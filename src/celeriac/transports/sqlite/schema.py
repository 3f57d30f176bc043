"""The tables of the broker's file, and the marks that tell it from any other SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

#: "celr" as SQLite's application_id
APPLICATION_ID = 0x63656C72
#: SQLite's user_version; grows with every change of the tables
FORMAT = 1

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE queues (
    name TEXT PRIMARY KEY,
    length INTEGER NOT NULL DEFAULT 0,
    max_length INTEGER,
    when_full TEXT NOT NULL DEFAULT 'block',
    message_ttl_s REAL,
    unused_ttl_s REAL,
    unused_since REAL,
    auto_delete INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE exchanges (name TEXT PRIMARY KEY, type TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE bindings (
    exchange TEXT NOT NULL, routing_key TEXT NOT NULL, queue TEXT NOT NULL,
    PRIMARY KEY (exchange, routing_key, queue)
) WITHOUT ROWID;
CREATE TABLE consumers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL,
    boot TEXT NOT NULL, renewed REAL NOT NULL, lease_s REAL NOT NULL
);
CREATE TABLE readers (
    consumer INTEGER NOT NULL,
    queue TEXT NOT NULL,
    PRIMARY KEY (consumer, queue)
) WITHOUT ROWID;
CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    owner INTEGER,
    due REAL,
    expires REAL,
    sent REAL NOT NULL,
    deliveries INTEGER NOT NULL DEFAULT 0,
    redelivered INTEGER NOT NULL DEFAULT 0,
    task_id TEXT,
    task TEXT,
    envelope BLOB NOT NULL,
    body BLOB
);
CREATE INDEX ready ON messages (queue, priority DESC, id) WHERE owner IS NULL AND due IS NULL;
CREATE INDEX delayed ON messages (due) WHERE due IS NOT NULL;
CREATE INDEX held ON messages (owner) WHERE owner IS NOT NULL;
CREATE INDEX expiring ON messages (expires) WHERE expires IS NOT NULL;
CREATE TABLE receipts (key TEXT PRIMARY KEY, at REAL NOT NULL);
CREATE TRIGGER one_more AFTER INSERT ON messages
    BEGIN UPDATE queues SET length = length + 1 WHERE name = new.queue; END;
CREATE TRIGGER one_less AFTER DELETE ON messages
    BEGIN UPDATE queues SET length = length - 1 WHERE name = old.queue; END;
"""


def statements() -> Iterator[str]:
    """Give the statements that make the tables, each trigger whole (executescript would commit our transaction)."""
    statement = ""
    for part in _SCHEMA.split(";"):
        statement += part + ";"
        if sqlite3.complete_statement(statement):
            if statement.strip(" \n;"):
                yield statement
            statement = ""
