"""The app of the light workers: it knows the light tasks alone."""

from __future__ import annotations

import os

import celeriac
from celery import Celery

from gallery.threads import OneThread
from showcase import PLAN, SETTINGS

os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)

app = celeriac.adopt(Celery("light", include=["gallery.light"]), PLAN)
celeriac.add_hooks(app, OneThread())
