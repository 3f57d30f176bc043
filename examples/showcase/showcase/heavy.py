"""The app of the heavy workers: it knows the heavy tasks alone."""

from __future__ import annotations

import os

import celeriac
from celery import Celery

from gallery.threads import OneThread
from showcase import PLAN, SETTINGS

os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)

app = celeriac.adopt(Celery("heavy", include=["gallery.heavy"]), PLAN)
celeriac.add_hooks(app, OneThread())
