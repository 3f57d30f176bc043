"""Every test begins with empty folders, and has an API to ask."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.users_api import UsersServer, running_users_api

SAMPLE = Path(__file__).parents[1] / "sample"


@pytest.fixture(scope="session", autouse=True)
def own_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep what the tests write out of the project's folders and database; workers they start inherit it."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("DATA_DIR", str(folder / "data"))
        environ.setenv("REPORTS_DIR", str(folder / "reports"))
        environ.delenv("DATABASE_URL", raising=False)
        yield folder


@pytest.fixture(autouse=True)
def data_folder(own_folder: Path) -> Iterator[Path]:
    """The folder of this test's data, empty at its start."""
    yield own_folder / "data"
    shutil.rmtree(own_folder, ignore_errors=True)


@pytest.fixture(scope="session")
def users_api() -> Iterator[UsersServer]:
    """A real HTTP server with thirty users; worker processes are told of it, too."""
    with running_users_api() as api, pytest.MonkeyPatch.context() as environ:
        environ.setenv("USERS_API_URL", api.url)
        yield api


@pytest.fixture
def sales() -> Path:
    """A file of sales, as they come."""
    return SAMPLE / "sales.csv"


@pytest.fixture
def broken() -> Path:
    """A file of sales without a category."""
    return SAMPLE / "broken.csv"
