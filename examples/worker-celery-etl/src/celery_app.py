"""The Celery app, as celeriac.toml declares it: celery -A src.celery_app …"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from celeriac import create_app

app = create_app(Path(__file__).parents[1] / "celeriac.toml", result_expires=timedelta(hours=1))
