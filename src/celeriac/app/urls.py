"""Broker and result URLs as Celery is given them."""

from __future__ import annotations

from pathlib import Path

_PREFIX = "sqlite:///"


def absolute(url: str, folder: Path) -> str:
    """Give an sqlite URL whose path no longer depends on the working folder; others unchanged.

    folder: the plan's, from which relative paths are taken.
    """
    if not url.startswith(_PREFIX):
        return url
    path, query, options = url.removeprefix(_PREFIX).partition("?")
    return f"{_PREFIX}{folder.absolute() / path}{query}{options}"
