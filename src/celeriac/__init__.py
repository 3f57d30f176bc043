"""The production platform for Celery."""

__version__ = "0.1.0"
