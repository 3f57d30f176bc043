"""Whether what the site rests on works, each part tried for real."""

import logging
import shutil
import uuid
from collections.abc import Callable

from celery import current_app
from django.conf import settings
from django.core.cache import cache
from django.db import connection

from apps.main.models import HealthReport

logger = logging.getLogger(__name__)
OK = "ok"
FREE_SHARE_MIN = 0.05


def check_health() -> HealthReport:
    """Try every part and keep what was found; a part that fails is said in the log, not raised."""
    parts = {name: _tried(try_it) for name, try_it in PARTS.items()}
    is_healthy = all(found == OK for found in parts.values())
    if not is_healthy:
        logger.error("the site is in trouble", extra={"parts": parts})
    return HealthReport.objects.create(is_healthy=is_healthy, parts=parts)


def _tried(try_it: Callable[[], None]) -> str:
    try:
        try_it()
    except Exception as error:  # whatever it is, it is what this part's health is
        return f"{type(error).__name__}: {error}"
    return OK


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM django_migrations")


def _cache() -> None:
    key, value = f"health.{uuid.uuid4()}", uuid.uuid4().hex
    cache.set(key, value, timeout=10)
    if cache.get(key) != value:
        raise LookupError("the cache has lost what was put into it")
    cache.delete(key)


def _broker() -> None:
    with current_app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, timeout=5)


def _disk() -> None:
    disk = shutil.disk_usage(settings.DATA_DIR)
    if disk.free < disk.total * FREE_SHARE_MIN:
        raise OSError(f"only {disk.free / disk.total:.1%} of the disk is free")


PARTS: dict[str, Callable[[], None]] = {
    "database": _database,
    "cache": _cache,
    "broker": _broker,
    "disk": _disk,
}
