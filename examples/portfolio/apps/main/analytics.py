"""Page views, summed up."""

from datetime import UTC, date, datetime, time, timedelta
from typing import TypedDict

from django.core.cache import cache
from django.db.models import Avg, Count
from django.utils import timezone

from apps.main.models import DailyPage, PageView

#: the cache's key of today's sums
TODAY = "analytics.today"


class Sums(TypedDict):
    """One day's figures."""

    day: str
    views: int
    visitors: int
    pages: int


def update(day: date | None = None) -> Sums:
    """Sum up the page views of a day, today's if none is named, and of the day before: its last may be new."""
    day = day or timezone.now().date()
    _sum_up(day - timedelta(days=1))
    sums = _sum_up(day)
    cache.set(TODAY, sums, timeout=600)
    return sums


def _sum_up(day: date) -> Sums:
    begin = datetime.combine(day, time.min, UTC)
    views = PageView.objects.filter(seen_at__gte=begin, seen_at__lt=begin + timedelta(days=1))
    pages = views.values("path").annotate(
        views=Count("id"), visitors=Count("visitor", distinct=True), mean_ms=Avg("took_ms")
    )
    rows = [DailyPage(day=day, **page) for page in pages]
    DailyPage.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["day", "path"],
        update_fields=["views", "visitors", "mean_ms"],
    )
    visitors = views.values("visitor").distinct().count()
    return {
        "day": day.isoformat(),
        "views": sum(row.views for row in rows),
        "visitors": visitors,
        "pages": len(rows),
    }
