"""`manage.py restore_backup`: put the database back as it was."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.main.backups import BrokenBackup, kept, restore


class Command(BaseCommand):
    help = "Put the database back as it was in a backup. Stop the site and its workers first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "backup", nargs="?", help="a file, or the name of one below BACKUPS_DIR; [the newest]"
        )
        parser.add_argument("--no-input", action="store_true", help="do not ask")

    def handle(self, *, backup: str | None, no_input: bool, **_: Any) -> None:
        chosen = settings.BACKUPS_DIR / backup if backup else _newest()
        if not chosen.is_file():
            raise CommandError(f"There is no backup {chosen}.")
        if not no_input and input(f"Replace all data of the site by {chosen.name}? [y/N] ").strip() != "y":
            raise CommandError("Nothing was changed.")
        try:
            restore(chosen)
        except BrokenBackup as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"The database is as it was in {chosen.name}.")


def _newest() -> Path:
    found = kept()
    if not found:
        raise CommandError("There is no backup yet: manage.py test_celery --task=backup makes one.")
    return found[-1]
