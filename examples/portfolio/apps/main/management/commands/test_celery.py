"""`manage.py test_celery`: send the site's tasks to its workers and say what comes back."""

import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from celery.exceptions import TimeoutError as NoResult
from celery.result import AsyncResult
from django.core.management.base import BaseCommand, CommandError

from apps.main import tasks
from apps.main.models import ContactMessage, Project, UserAction


def _notification() -> AsyncResult:
    message = ContactMessage.objects.create(
        name="Test", email="test@portfolio.example", text="Sent by manage.py test_celery."
    )
    return tasks.send_notification.delay(message.pk)


def _action() -> AsyncResult:
    project = Project.objects.first()
    if project is None:
        raise CommandError("There is no project to like. Add one in the admin.")
    like = UserAction.objects.create(kind=UserAction.Kind.LIKE, visitor="test_celery", project=project)
    return tasks.process_user_action.delay(like.pk)


SENDERS: dict[str, Callable[[], AsyncResult]] = {
    "notification": _notification,
    "action": _action,
    "analytics": tasks.update_analytics.delay,
    "cleanup": tasks.cleanup_temp_files.delay,
    "health": tasks.health_check.delay,
    "reports": tasks.generate_reports.delay,
    "backup": tasks.backup_data.delay,
}


class Command(BaseCommand):
    help = "Send the site's tasks to its workers and say what comes back."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--task", choices=[*SENDERS, "all"], default="all")
        parser.add_argument(
            "--timeout", type=float, default=30.0, metavar="SECONDS", help="to wait for each [30]"
        )

    def handle(self, *, task: str, timeout: float, **_: Any) -> None:
        """Send first, then wait, so that the workers have them all at once."""
        began = time.monotonic()
        sent = {name: send() for name, send in SENDERS.items() if task in (name, "all")}
        bad = [name for name, result in sent.items() if not self._say(name, result, began + timeout)]
        if bad:
            raise CommandError(f"no good result of: {', '.join(bad)}")

    def _say(self, name: str, result: AsyncResult, deadline: float) -> bool:
        try:
            value = result.get(timeout=max(deadline - time.monotonic(), 0.1))
        except NoResult:
            self.stdout.write(
                self.style.ERROR(
                    f"{name:<13} {result.state}: no result in time; see manage.py celeriac why {result.id}"
                )
            )
        except Exception as error:  # whatever the task has raised
            self.stdout.write(self.style.ERROR(f"{name:<13} failed: {type(error).__name__}: {error}"))
        else:
            self.stdout.write(f"{name:<13} {self.style.SUCCESS('ok')} {value}")
            return True
        return False
