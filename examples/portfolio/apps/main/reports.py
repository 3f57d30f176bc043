"""Reports, each as a CSV file and a page of HTML."""

import csv
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Avg, Count, DurationField, ExpressionWrapper, F, Q
from django.template.loader import render_to_string
from django.utils import timezone
from django_celery_results.models import TaskResult

from apps.main.models import DailyPage, HealthReport

Table = tuple[Sequence[str], list[Sequence[object]]]
DAYS = 30


def write_reports(kinds: Sequence[str] = ()) -> list[str]:
    """Write the reports of these kinds, all if none is named, and give the files' names below REPORTS_DIR.

    Raises: ValueError for a kind that there is not.
    """
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown:
        raise ValueError(f"there is no report {', '.join(unknown)}; there are {', '.join(KINDS)}")
    return [name for kind in kinds or KINDS for name in _write(kind)]


def _write(kind: str) -> tuple[str, str]:
    header, rows = KINDS[kind]()
    now = timezone.now()
    stem = f"{kind}-{now:%Y-%m-%d}"
    page = render_to_string(
        "main/report.html", {"title": f"{kind.capitalize()}, {now:%d %B %Y}", "header": header, "rows": rows}
    )
    settings.REPORTS_DIR.mkdir(parents=True, exist_ok=True)
    with _draft(settings.REPORTS_DIR / f"{stem}.csv") as draft, draft.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    with _draft(settings.REPORTS_DIR / f"{stem}.html") as draft:
        draft.write_text(page)
    return f"{stem}.csv", f"{stem}.html"


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """Give a file that gets its name once it is whole: nobody reads half a report, and two runs do not mix."""
    settings.TEMP_DIR.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=settings.TEMP_DIR, suffix=path.suffix)
    os.close(handle)
    draft = Path(name)
    try:
        yield draft
        draft.chmod(0o644)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _traffic() -> Table:
    first = timezone.now().date() - timedelta(days=DAYS)
    pages = DailyPage.objects.filter(day__gte=first)
    rows = pages.values_list("day", "path", "views", "visitors", "mean_ms")
    return ("day", "path", "views", "visitors", "mean ms"), [(*row[:4], round(row[4], 1)) for row in rows]


def _performance() -> Table:
    """How tasks did, from the results that are kept."""
    took = ExpressionWrapper(F("date_done") - F("date_started"), output_field=DurationField())
    found = (
        TaskResult.objects.values("task_name")
        .annotate(
            runs=Count("id"),
            failures=Count("id", filter=Q(status="FAILURE")),
            took=Avg(took, filter=Q(date_started__isnull=False)),
        )
        .order_by("task_name")
    )
    rows = [
        (
            each["task_name"],
            each["runs"],
            each["failures"],
            f"{each['took'].total_seconds():.3f}" if each["took"] else "",
        )
        for each in found
    ]
    return ("task", "runs", "failures", "mean s"), rows


def _system() -> Table:
    found = HealthReport.objects.filter(checked_at__gte=timezone.now() - timedelta(days=1))
    rows = [
        (
            f"{each.checked_at:%Y-%m-%d %H:%M}",
            "healthy" if each.is_healthy else "in trouble",
            *each.parts.values(),
        )
        for each in found
    ]
    return ("checked (UTC)", "site", "database", "cache", "broker", "disk"), rows


KINDS: dict[str, Callable[[], Table]] = {"traffic": _traffic, "performance": _performance, "system": _system}
