"""The Celery application, made from the plan."""

from __future__ import annotations

from celery import Celery

from celeriac import create_app


def create_celery_app() -> Celery:
    """Make an application as the nearest celeriac.toml says."""
    return create_app()


celery_app = create_celery_app()
