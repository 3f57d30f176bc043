"""Every test has the services and the data of its own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from app.core.settings import Settings, settings
from services.running import running


@pytest.fixture(autouse=True)
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Give what the product is told: a folder of its own, and services that are not there yet."""
    monkeypatch.setenv("ASSISTANT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SMTP_URL", f"smtp://127.0.0.1:{free_port()}")
    for name in ("SEARCH_URL", "LANGFUSE_HOST"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("MODEL_URL", f"http://127.0.0.1:{free_port()}/v1")
    return settings()


@pytest.fixture
def services(where: Settings) -> Iterator[Settings]:
    """Run the services, and say where they are."""
    with running(where):
        yield where


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
