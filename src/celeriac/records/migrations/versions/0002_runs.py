"""Keep task runs beside the letters."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "runs",
        sa.Column("task_id", sa.String(512), primary_key=True),
        sa.Column("history", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("worker", sa.String(512)),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("began_at", sa.Float, nullable=False),
        sa.Column("seen_at", sa.Float, nullable=False),
        sa.Column("sent_at", sa.Float),
        sa.Column("received_at", sa.Float),
        sa.Column("started_at", sa.Float),
        sa.Column("ended_at", sa.Float),
        sa.Column("wait_s", sa.Float),
        sa.Column("run_s", sa.Float),
        sa.Column("described_at", sa.Float, nullable=False),
        sa.Column("is_described", sa.Boolean, nullable=False),
        sa.Column("task", sa.String(512)),
        sa.Column("queue", sa.String(512)),
        sa.Column("eta", sa.Float),
        sa.Column("expires_at", sa.Float),
        sa.Column("root_id", sa.String(512)),
        sa.Column("parent_id", sa.String(512)),
        sa.Column("group_id", sa.String(512)),
        sa.Column("replay_of", sa.String(64)),
        sa.Column("args", sa.Text),
        sa.Column("kwargs", sa.Text),
        sa.Column("failed_at", sa.Float),
        sa.Column("error", sa.Text),
        sa.Column("traceback", sa.Text),
    )
    op.create_index("runs_newest", "runs", ["seen_at", "task_id"])
    op.create_index("runs_by_state", "runs", ["state", "seen_at"])
    op.create_index("runs_by_task", "runs", ["task", "seen_at"])
    op.create_index("runs_by_root", "runs", ["root_id"])


def downgrade() -> None:
    op.drop_table("runs")
