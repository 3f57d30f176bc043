"""The Celery app of a Django project that has no module of its own for it; what `celeriac` and `celery -A` import."""

from __future__ import annotations

import django
from django.apps import apps

from celeriac.integrations.django.project import project_app

if not apps.ready:
    django.setup()

app = project_app()
