"""Keep dead letters."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "letters",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("queue", sa.String(512), nullable=False),
        sa.Column("died_at", sa.Float, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("content_type", sa.String(512)),
        sa.Column("content_encoding", sa.String(512)),
        sa.Column("headers", sa.Text, nullable=False),
        sa.Column("properties", sa.Text, nullable=False),
        sa.Column("task", sa.String(512)),
        sa.Column("task_id", sa.String(512)),
        sa.Column("root_id", sa.String(512)),
        sa.Column("parent_id", sa.String(512)),
        sa.Column("group_id", sa.String(512)),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("replay_of", sa.String(64)),
        sa.Column("exception", sa.String(512)),
        sa.Column("message", sa.Text),
        sa.Column("traceback", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("deliveries", sa.Integer, nullable=False),
        sa.Column("host", sa.String(512)),
        sa.Column("worker", sa.String(512)),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("recorded_at", sa.Float, nullable=False),
        sa.Column("edited_at", sa.Float),
        sa.Column("original", sa.Text),
        sa.Column("claim", sa.String(256)),
        sa.Column("claimed_at", sa.Float),
        sa.Column("replayed_at", sa.Float),
        sa.Column("replayed_to", sa.String(512)),
        sa.Column("discarded_at", sa.Float),
    )
    op.create_index("letters_newest", "letters", ["died_at", "id"])
    op.create_index("letters_by_state", "letters", ["state", "died_at"])
    op.create_index("letters_by_task", "letters", ["task", "died_at"])
    op.create_index("letters_by_task_id", "letters", ["task_id"])


def downgrade() -> None:
    op.drop_table("letters")
