"""The schema of the records: made once, whoever comes first, and the same as the tables in code."""

import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from celeriac.errors import RecordsError
from celeriac.records import LetterFilter, Records
from celeriac.records import upgrade as upgrading
from celeriac.records.schema import HEAD, metadata
from celeriac.stores import open_engine

OPEN = """
import sys
from pathlib import Path
from celeriac.records import LetterFilter, Records
sys.stdin.readline()
Records("sqlite:///deep/er/records.db", Path(sys.argv[1])).count(LetterFilter())
print("alembic" if "alembic" in sys.modules else "quick")
"""


def test_processes_that_open_a_fresh_file_together_all_succeed(tmp_path):
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for opener in openers:
        opener.stdin.write("go\n")
        opener.stdin.flush()
    said = [opener.communicate(timeout=60) for opener in openers]
    assert [err for _, err in said] == ["", "", "", ""]
    assert all(out.strip() in ("alembic", "quick") for out, _ in said)


def test_alembic_is_not_even_imported_when_there_is_nothing_to_migrate(tmp_path):
    for expected in ("alembic", "quick"):
        done = subprocess.run(
            [sys.executable, "-c", OPEN, str(tmp_path)],
            input="go\n",
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == expected


def test_the_migrations_leave_exactly_the_tables_that_the_code_uses(tmp_path):
    engine = open_engine("sqlite:///records.db", tmp_path)
    upgrading.upgrade(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_the_head_named_in_code_is_the_newest_migration(tmp_path):
    from pathlib import Path

    scripts = ScriptDirectory(str(Path(upgrading.__file__).parent / "migrations"))
    assert scripts.get_current_head() == HEAD


def test_records_of_a_newer_celeriac_are_refused_and_left_as_they_were(tmp_path):
    engine = open_engine("sqlite:///records.db", tmp_path)
    upgrading.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(RecordsError, match="RECORD-006") as refused:
        Records("sqlite:///records.db", tmp_path).count(LetterFilter())
    assert refused.value.fix.startswith("upgrade Celeriac")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"
    engine.dispose()
