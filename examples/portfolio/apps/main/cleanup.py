"""Removing what nobody needs any more."""

import time
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone

from apps.main.models import HealthReport, PageView

KEEP_HEALTH = timedelta(days=7)
KEEP_VIEWS = timedelta(days=90)


def clean_up(older_than_hours: float = 24.0) -> dict[str, int]:
    """Remove temporary files of that age, and cache entries, sessions, views and health reports past their time.

    Returns: how many of each.
    """
    now = timezone.now()
    return {
        "files": _remove_files(settings.TEMP_DIR, time.time() - older_than_hours * 3600),
        "cache_entries": _remove_cache_entries(),
        "sessions": Session.objects.filter(expire_date__lt=now).delete()[0],
        "page_views": PageView.objects.filter(seen_at__lt=now - KEEP_VIEWS).delete()[0],
        "health_reports": HealthReport.objects.filter(checked_at__lt=now - KEEP_HEALTH).delete()[0],
    }


def _remove_files(folder: Path, before: float) -> int:
    removed = 0
    for path in folder.rglob("*"):
        # A link is removed, never followed.
        if (path.is_symlink() or path.is_file()) and path.lstat().st_mtime < before:
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def _remove_cache_entries() -> int:
    """Delete what has expired: the cache itself does it only when it is full."""
    table = connection.ops.quote_name(settings.CACHES["default"]["LOCATION"])
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table} WHERE expires < %s", [now])
        return int(cursor.rowcount)
