"""A database of the tests' own (of the kind that DATABASE_URL names), empty again after each test, and folders too."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import django
import pytest
from django.core import mail
from django.db import transaction

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portfolio_site.settings.base")
django.setup()

from django.conf import settings  # noqa: E402
from django.test.runner import DiscoverRunner  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def database() -> Iterator[None]:
    runner = DiscoverRunner(verbosity=0, interactive=False)
    runner.setup_test_environment()
    made = runner.setup_databases()
    yield
    runner.teardown_databases(made)
    runner.teardown_test_environment()


@pytest.fixture(autouse=True)
def rolled_back(database: None) -> Iterator[None]:
    mail.outbox.clear()
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("TEMP_DIR", "REPORTS_DIR", "BACKUPS_DIR"):
        folder = tmp_path / name.partition("_")[0].lower()
        folder.mkdir()
        monkeypatch.setattr(settings, name, folder)
    return tmp_path
