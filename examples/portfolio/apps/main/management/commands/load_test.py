"""`manage.py load_test`: many likes at once, counted from the first send to the last one processed."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.main import tasks
from apps.main.models import Project, UserAction

_VISITOR = "load_test"


class Command(BaseCommand):
    help = (
        "Send many tasks to the workers that run, and say how many a second they do. Leaves nothing behind."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--count", type=int, default=500)
        parser.add_argument("--timeout", type=float, default=120.0, metavar="SECONDS")

    def handle(self, *, count: int, timeout: float, **_: Any) -> None:
        project = Project.objects.create(slug=_VISITOR, title=_VISITOR, year=2000)
        try:
            UserAction.objects.bulk_create(
                UserAction(kind=UserAction.Kind.LIKE, visitor=f"{_VISITOR}-{number}", project=project)
                for number in range(count)
            )
            self._run(project, count, timeout)
        finally:
            project.delete()

    def _run(self, project: Project, count: int, timeout: float) -> None:
        waiting = UserAction.objects.filter(project=project, processed_at=None)
        began = time.monotonic()
        for key in list(waiting.values_list("pk", flat=True)):
            tasks.process_user_action.apply_async((key,), ignore_result=True)
        sent_s = time.monotonic() - began
        while (left := waiting.count()) and time.monotonic() - began < timeout:
            time.sleep(0.05)
        if left:
            raise CommandError(
                f"{left} of {count} were not processed within {timeout:g} s: manage.py celeriac status"
            )
        took_s = time.monotonic() - began
        self.stdout.write(
            f"{count} tasks: sent {count / sent_s:.0f}/s, processed {count / took_s:.0f}/s, all after {took_s:.1f} s"
        )
