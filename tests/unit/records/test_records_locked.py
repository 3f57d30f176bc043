"""Records whose file somebody else holds."""

import sqlite3

import pytest

from celeriac.errors import RecordsUnavailable
from celeriac.records import Letter, LetterFilter, Records
from celeriac.stores import sql

LETTER = Letter(id="a", reason="failed", queue="default", died_at=100.0, body=b"", digest="one")
EVERY = LetterFilter()


def test_a_locked_database_is_said_to_be_unavailable_and_works_again_after(tmp_path, monkeypatch):
    monkeypatch.setattr(sql, "BUSY_TIMEOUT_S", 0.1)
    records = Records("sqlite:///records.db", tmp_path)
    records.count(EVERY)
    holder = sqlite3.connect(tmp_path / "records.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(RecordsUnavailable, match="locked"):
        records.insert_letters([LETTER])
    holder.execute("ROLLBACK")
    holder.close()
    assert records.insert_letters([LETTER]) == 1
    records.close()
