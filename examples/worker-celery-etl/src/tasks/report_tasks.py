"""Reports of what was loaded."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta

from src import warehouse
from src.celery_app import app
from src.config import load_config
from src.files import put

TABLE = "sales"


@app.task
def generate_daily_report(day: str | None = None) -> str:
    """Write the totals of a day as CSV; give the file.

    day: like "2026-02-28" (UTC); None: yesterday. A day's report is one file, however often it is made.
    """
    reported = date.fromisoformat(day) if day else datetime.now(UTC).date() - timedelta(days=1)
    text = io.StringIO()
    table = csv.DictWriter(text, ["category", "value", "count"])
    table.writeheader()
    table.writerows(warehouse.totals(TABLE, reported))
    return str(put(load_config().reports_folder / f"{TABLE}-{reported}.csv", text.getvalue().encode()))
