"""Moments, zones and places as a schedule writes them, read into typed values."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?\Z", re.ASCII)
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}\Z", re.ASCII)
_PLACE = re.compile(r"\s*(-?\d{1,3}(?:\.\d{1,10})?)\s*,\s*(-?\d{1,3}(?:\.\d{1,10})?)\s*\Z", re.ASCII)


def moment_of(text: str) -> datetime | None:
    """Read "2026-12-24T18:00" as a local time of no zone; None if it is none."""
    if not _MOMENT.match(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def is_zone(name: str) -> bool:
    """Say whether this machine knows the time zone."""
    # A name is looked up as a path, so what is no name must not get there.
    if not _ZONE.match(name):
        return False
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def place_of(text: str) -> tuple[float, float] | None:
    """Read "52.52, 13.40" as latitude and longitude in degrees; None if it is none."""
    found = _PLACE.match(text)
    if not found:
        return None
    latitude, longitude = float(found[1]), float(found[2])
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else None
