"""Celery's settings, to look at: each name is a setting as the plan works it out, passwords hidden.

    python -c "from app import celeryconfig; print(celeryconfig.broker_url)"

Nothing is set here; what can be set stands in celeriac.toml.
"""

from __future__ import annotations

from typing import Any

from celery.app.defaults import SETTING_KEYS

from app.core.celery_app import celery_app
from celeriac.errors import redacted


def __getattr__(name: str) -> Any:
    if name not in SETTING_KEYS:
        raise AttributeError(f'Celery has no setting "{name}"')
    value = celery_app.conf[name]
    return redacted(value) if isinstance(value, str) else value


def __dir__() -> list[str]:
    return sorted(SETTING_KEYS)
