"""The schema of the records: made once, whoever comes first, and the same as the tables in code."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from celeriac.errors import RecordsError
from celeriac.records import Letter, LetterFilter, Records
from celeriac.records import upgrade as upgrading
from celeriac.records.schema import HEAD, letters, metadata
from celeriac.stores.sql import open_engine

OPEN = """
import sys
from pathlib import Path
from celeriac.records import Letter, LetterFilter, Records, RunFilter, Runs
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


#: Opens records that the first Celeriac made, as a process of this one.
OPEN_BOTH = """
import sys
from celeriac.records import LetterFilter, Records, RunFilter, Runs
sys.stdin.readline()
print(Records(sys.argv[1]).count(LetterFilter()), Runs(sys.argv[1]).count(RunFilter()))
"""


def first_schema(engine):
    """Make the records as the first Celeriac left them, with a letter."""
    from alembic import command
    from alembic.config import Config

    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(Path(upgrading.__file__).parent / "migrations"))
        command.upgrade(config, "0001")
        connection.execute(
            letters.insert().values(
                id="old", state="waiting", reason="failed", queue="q", died_at=1.0, body=b"\x00\xff", headers="{}",
                properties="{}", generation=0, attempts=1, deliveries=0, digest="d", recorded_at=2.0, task_id="t",
            )
        )  # fmt: skip


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_letters_survive_the_upgrade_from_the_first_schema_by_several_processes_at_once(
    tmp_path, request, kind
):
    url = f"sqlite:///{tmp_path}/records.db"
    if kind == "postgres":
        url = request.getfixturevalue("postgres_server").new_database()
    engine = open_engine(url, tmp_path)
    first_schema(engine)
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN_BOTH, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for opener in openers:
        opener.stdin.write("go\n")
        opener.stdin.flush()
    assert [opener.communicate(timeout=60) for opener in openers] == [("1 0\n", "")] * 3
    records = Records(url)
    assert records.get("old") == Letter(
        id="old",
        reason="failed",
        queue="q",
        died_at=1.0,
        body=b"\x00\xff",
        digest="d",
        recorded_at=2.0,
        task_id="t",
    )
    records.close()
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()
