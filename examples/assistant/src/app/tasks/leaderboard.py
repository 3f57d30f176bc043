"""Leaderboard: who asked most."""

from __future__ import annotations

from celery import shared_task

from app.core.rows import rows


@shared_task
def refresh() -> int:
    """Work the leaderboard out anew, and say how many people are on it."""
    with rows() as db:
        db.execute("DELETE FROM leaderboard")
        placed = db.execute(
            """
            INSERT INTO leaderboard (person, place, questions)
            SELECT person, rank() OVER (ORDER BY count(*) DESC), count(*) FROM answers GROUP BY person
            """
        )
        return placed.rowcount
