"""The site's database: SQLite beside the code, or what DATABASE_URL names."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


def database(url: str, folder: Path) -> dict[str, Any]:
    """Give Django's description of the database at `url`, like "postgresql://user:password@host:5432/name"."""
    if not url:
        # A writer waits for its turn as long as a task may take, and takes it before it reads.
        options = {
            "timeout": 30,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode = WAL",
        }
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "showcase.db", "OPTIONS": options}
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": parts.port or "",
    }
