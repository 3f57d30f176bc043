"""Backups: restored, they are the database as it was."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from apps.main import backups, tasks
from apps.main.models import ContactMessage


@pytest.fixture
def rolled_back(database: None) -> Iterator[None]:
    """Nothing is rolled back here: a backup is of what is committed."""
    yield
    ContactMessage.objects.all().delete()


def write(name: str) -> None:
    ContactMessage.objects.create(name=name, email="a@example.org", text="Hello!")


def names() -> list[str]:
    return list(ContactMessage.objects.order_by("name").values_list("name", flat=True))


def test_a_restored_backup_is_the_database_as_it_was() -> None:
    write("before")
    name = tasks.backup_data.run()
    write("after")
    call_command("restore_backup", name, no_input=True)
    assert names() == ["before"]


def test_the_newest_seven_are_kept() -> None:
    made = [backups.back_up() for _ in range(backups.KEEP + 2)]
    assert [each.name for each in backups.kept()] == made[2:]
    assert len(list(settings.BACKUPS_DIR.iterdir())) == 2 * backups.KEEP


def test_a_damaged_backup_is_refused_and_changes_nothing() -> None:
    write("stays")
    path = settings.BACKUPS_DIR / backups.back_up()
    content = bytearray(path.read_bytes())
    content[100 : len(content) // 2] = b"\0" * (len(content) // 2 - 100)
    path.write_bytes(content)
    with pytest.raises(CommandError, match="damaged"):
        call_command("restore_backup", path.name, no_input=True)
    assert names() == ["stays"]


def test_what_is_no_backup_is_said() -> None:
    with pytest.raises(CommandError, match="no backup yet"):
        call_command("restore_backup", no_input=True)
    (settings.BACKUPS_DIR / "portfolio-x.zip").write_text("")
    with pytest.raises(CommandError, match="is no backup of"):
        call_command("restore_backup", "portfolio-x.zip", no_input=True)
