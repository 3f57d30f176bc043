"""Promotion: what many ask becomes part of the list of known questions."""

from __future__ import annotations

from celery import shared_task

from app.core.rows import rows


@shared_task
def promote(least: int = 3) -> int:
    """Put every question that was asked `least` times or more on the list, with its newest answer; say how many."""
    with rows() as db:
        promoted = db.execute(
            """
            INSERT OR REPLACE INTO promoted (question, answer, times)
            SELECT question, answer, times FROM (
                SELECT lower(trim(question)) AS question, answer, max(asked_at), count(*) AS times
                FROM answers GROUP BY 1)
            WHERE times >= ?
            """,
            (least,),
        )
        return promoted.rowcount
