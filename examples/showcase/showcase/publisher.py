"""The publisher: knows every task, sends and chains them, keeps the schedules. It runs none."""

from __future__ import annotations

import os

import celeriac
from celery import Celery

from showcase import PLAN, SETTINGS

os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)

app = celeriac.adopt(Celery("publisher", include=["gallery.heavy", "gallery.light"]), PLAN)
