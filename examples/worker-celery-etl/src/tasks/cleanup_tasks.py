"""Deleting what nobody will ask for again."""

from __future__ import annotations

import time
from pathlib import Path

from src.celery_app import app
from src.config import load_config
from src.references import aside

DAY_S = 24 * 60 * 60


@app.task
def cleanup_old_data(data_days: int = 7, report_days: int = 365) -> dict[str, int]:
    """Delete old files; give how many of each kind.

    data_days: of what was stored aside, and of files taken in. Keep it longer than letters may wait: a
        letter that is replayed wants its data.
    """
    config = load_config()
    return {
        "aside": _delete(aside(), data_days),
        "landed": _delete(config.data_folder / "landed", data_days),
        "reports": _delete(config.reports_folder, report_days),
    }


def _delete(folder: Path, days: int) -> int:
    before = time.time() - days * DAY_S
    old = [file for file in folder.glob("*") if file.is_file() and file.stat().st_mtime < before]
    for file in old:
        file.unlink(missing_ok=True)
    return len(old)
