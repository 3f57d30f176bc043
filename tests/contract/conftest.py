"""The databases that records are kept in, each of which must keep the same promises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from celeriac.records.upgrade import upgrade
from celeriac.stores.sql import open_engine


@pytest.fixture(scope="session")
def postgres_records_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("postgres_server").new_database())


@pytest.fixture(params=["sqlite", "postgres"])
def records_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of empty records."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/records.db"
        return
    # One database for all tests: making one takes longer than most of them.
    url = request.getfixturevalue("postgres_records_url")
    engine = open_engine(url, tmp_path)
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE letters, runs"))
    engine.dispose()
    yield url
