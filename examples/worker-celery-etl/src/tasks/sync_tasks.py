"""Taking in the files that others put into DATA_DIR/incoming."""

from __future__ import annotations

from src.celery_app import app
from src.config import load_config
from src.tasks.report_tasks import TABLE
from src.workflows.data_pipeline import take_in


@app.task
def sync_data() -> list[str]:
    """Start the pipeline for every new file; give their names."""
    incoming = load_config().data_folder / "incoming"
    files = sorted(incoming.glob("[!.]*.csv"))
    for file in files:
        take_in(file, TABLE)
    return [file.name for file in files]
