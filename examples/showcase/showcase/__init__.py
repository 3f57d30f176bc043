"""The site, and its three Celery apps: one that sends, two that work."""

from __future__ import annotations

from pathlib import Path

PLAN = Path(__file__).resolve().parents[1] / "celeriac.toml"
SETTINGS = "showcase.settings"
