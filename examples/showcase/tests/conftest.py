"""The site with an empty database of the tests' own, and files in a folder of the test's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import django
import pytest

os.environ["DJANGO_SETTINGS_MODULE"] = "showcase.settings"
# Whatever .env names: the tests run on SQLite, and tell nobody.
for name in ("DATABASE_URL", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "SUBSCRIBER_URL"):
    os.environ.pop(name, None)
django.setup()


@pytest.fixture(scope="session", autouse=True)
def _tables() -> Iterator[None]:
    from django.test.utils import (  # noqa: PLC0415 - once Django is set up
        setup_databases,
        setup_test_environment,
        teardown_databases,
        teardown_test_environment,
    )

    setup_test_environment()
    made = setup_databases(verbosity=0, interactive=False)
    yield
    teardown_databases(made, verbosity=0)
    teardown_test_environment()


@pytest.fixture(autouse=True)
def _empty_tables() -> Iterator[None]:
    from gallery.models import Picture  # noqa: PLC0415 - once Django is set up

    yield
    Picture.objects.all().delete()


@pytest.fixture(autouse=True)
def media(tmp_path: Path) -> Iterator[Path]:
    """Where the site's files go."""
    from django.test import override_settings  # noqa: PLC0415 - once Django is set up

    with override_settings(MEDIA_ROOT=tmp_path / "media"):
        yield tmp_path / "media"
