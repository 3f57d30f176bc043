"""Engines from URLs."""

import importlib.util

import pytest
from sqlalchemy import text

from celeriac.errors import RecordsError
from celeriac.stores.sql import open_engine


def test_a_relative_file_is_taken_from_the_folder_and_its_parents_are_made(tmp_path):
    engine = open_engine("sqlite:///.celeriac/records.db", tmp_path)
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2, (
            "FULL: commits survive power loss"
        )
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 10_000
    engine.dispose()
    assert (tmp_path / ".celeriac" / "records.db").exists()


def test_an_absolute_file_is_taken_as_it_is(tmp_path):
    path = tmp_path / "r.db"
    assert open_engine(f"sqlite:///{path}", tmp_path / "elsewhere").url.database == str(path)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("nonsense", "RECORD-001"),
        ("mysql://user:secret@host/db", "RECORD-002"),
        ("sqlite://", "RECORD-003"),
        ("sqlite:///:memory:", "RECORD-003"),
        ("sqlite:///r.db?durability=relaxed", "RECORD-003"),
    ],
)
def test_a_url_that_cannot_hold_records_is_refused_without_its_password(url, code, tmp_path):
    with pytest.raises(RecordsError, match=code) as refused:
        open_engine(url, tmp_path)
    assert "secret" not in str(refused.value)


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordsError, match="RECORD-004"):
        open_engine("sqlite:///file/records.db", tmp_path)


@pytest.mark.skipif(importlib.util.find_spec("psycopg") is not None, reason="psycopg is installed")
def test_postgres_without_its_driver_names_the_extra(tmp_path):
    with pytest.raises(RecordsError, match="RECORD-005") as refused:
        open_engine("postgresql://user:secret@host/db", tmp_path)
    assert "celeriac[postgres]" in refused.value.fix
