"""The Celery app of the site, for `celery -A portfolio_site …` and for Celeriac."""

import os
from pathlib import Path

from celeriac import adopt
from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portfolio_site.settings.base")

app = Celery("portfolio")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
adopt(app, Path(__file__).parent.parent / "celeriac.toml")
