"""Cleanup: uploads nobody needs any more are removed."""

from __future__ import annotations

import time

from celery import shared_task

from app.core.settings import settings


@shared_task
def remove_old_files(older_than_h: float = 24) -> int:
    """Remove the uploads that were not touched for so many hours, and say how many."""
    before = time.time() - older_than_h * 3600
    old = [
        file
        for file in settings().folder("uploads").rglob("*")
        if file.is_file() and file.stat().st_mtime < before
    ]
    for file in old:
        file.unlink(missing_ok=True)
    return len(old)
