"""Dataset: the exchanges of a day, as a file that models are tuned by."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta

from celery import shared_task

from app.core.rows import rows
from app.core.settings import settings


@shared_task
def export_day(day: str) -> tuple[str, int]:
    """Write one JSON line for each answer of a day, and give the file and the number of lines.

    day: like "2026-03-02", in UTC.
    """
    begin = datetime.combine(date.fromisoformat(day), time(), UTC)
    with rows() as db:
        asked = db.execute(
            "SELECT question, answer FROM answers WHERE asked_at >= ? AND asked_at < ? ORDER BY asked_at, id",
            (begin.timestamp(), (begin + timedelta(days=1)).timestamp()),
        ).fetchall()
    path = settings().folder("datasets") / f"{day}.jsonl"
    draft = path.with_suffix(".draft")
    with draft.open("w") as file:
        for question, answer in asked:
            messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            file.write(json.dumps({"messages": messages}) + "\n")
    draft.replace(path)
    return str(path), len(asked)


@shared_task
def export_yesterday() -> tuple[str, int]:
    """Export the day that has just ended."""
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    written: tuple[str, int] = export_day(yesterday.isoformat())
    return written
