"""The tables of the records, as the newest migration leaves them."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

#: the newest migration in `migrations/versions`
HEAD = "0001"

metadata = MetaData()

letters = Table(
    "letters",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("queue", String(512), nullable=False),
    Column("died_at", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("content_type", String(512)),
    Column("content_encoding", String(512)),
    Column("headers", Text, nullable=False),
    Column("properties", Text, nullable=False),
    Column("task", String(512)),
    Column("task_id", String(512)),
    Column("root_id", String(512)),
    Column("parent_id", String(512)),
    Column("group_id", String(512)),
    Column("generation", Integer, nullable=False),
    Column("replay_of", String(64)),
    Column("exception", String(512)),
    Column("message", Text),
    Column("traceback", Text),
    Column("attempts", Integer, nullable=False),
    Column("deliveries", Integer, nullable=False),
    Column("host", String(512)),
    Column("worker", String(512)),
    Column("digest", String(64), nullable=False),
    Column("recorded_at", Float, nullable=False),
    Column("edited_at", Float),
    Column("original", Text),
    Column("claim", String(256)),
    Column("claimed_at", Float),
    Column("replayed_at", Float),
    Column("replayed_to", String(512)),
    Column("discarded_at", Float),
    Index("letters_newest", "died_at", "id"),
    Index("letters_by_state", "state", "died_at"),
    Index("letters_by_task", "task", "died_at"),
    Index("letters_by_task_id", "task_id"),
)
