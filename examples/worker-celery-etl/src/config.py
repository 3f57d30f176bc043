"""What the code is told by its environment, each value with the one for a laptop."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Config:
    """data_folder: files that the workers share; reports_folder: where reports are put."""

    data_folder: Path
    reports_folder: Path
    database_url: str
    users_api_url: str
    request_timeout_s: float


def load_config() -> Config:
    """Read the environment; `.env.example` lists the variables."""
    data = Path(os.environ.get("DATA_DIR") or "data").absolute()
    return Config(
        data_folder=data,
        reports_folder=Path(os.environ.get("REPORTS_DIR") or "reports").absolute(),
        database_url=os.environ.get("DATABASE_URL") or f"sqlite:///{data / 'warehouse.db'}",
        users_api_url=os.environ.get("USERS_API_URL") or "http://127.0.0.1:8765",
        request_timeout_s=float(os.environ.get("REQUEST_TIMEOUT_S") or 10),
    )
