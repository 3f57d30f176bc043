"""`manage.py render`: send chains of a heavy and a light task, and watch until the pictures are published."""

from __future__ import annotations

import time
from typing import Any

from celeriac.control.broker import queues
from celeriac.integrations.django.project import project_app, project_plan
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from gallery.chains import picture
from gallery.models import Picture, Scene


class Command(BaseCommand):
    """Sends as many chains as asked for, over all scenes in turn."""

    help = "Render pictures and publish them, and wait until they are."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take how many, how fine, and how long to wait."""
        parser.add_argument("--count", type=int, default=6, help="pictures (6)")
        parser.add_argument(
            "--detail", type=int, default=5, help="1 to 40; the work grows with its square (5)"
        )
        parser.add_argument("--within", type=float, default=120.0, help="seconds to wait for them (120)")

    def handle(self, *, count: int, detail: int, within: float, **_: Any) -> None:
        """Send, watch, and list what was published.

        Raises: CommandError if a picture is not published in time.
        """
        scenes = list(Scene.objects.values_list("name", flat=True))
        began = time.monotonic()
        sent = [picture(detail, scenes[number % len(scenes)]).delay().parent.id for number in range(count)]
        wanted = Picture.objects.filter(task_id__in=sent)
        said = ""
        while (published := wanted.exclude(published_at=None).count()) < count:
            if time.monotonic() - began > within:
                raise CommandError(
                    f"{published} of {count} are published after {within:g} s; `make status` says who works, "
                    "`manage.py celeriac dead list` what has failed"
                )
            line = f"{_drawn()} rendered {wanted.count()} published {published}"
            if line != said:
                self.stdout.write(said := line)
            time.sleep(0.25)
        self.stdout.write(f"{count} pictures published in {time.monotonic() - began:.1f} s:")
        for made in wanted.select_related("scene"):
            self.stdout.write(f"  {settings.MEDIA_ROOT / made.path}  {made.scene}")


def _drawn() -> str:
    seen = {
        it.name: it.ready + (it.delayed or 0) + (it.unacked or 0)
        for it in queues(project_plan(), project_app)
    }
    return "  ".join(f"{name} {'#' * seen[name]:<12}{seen[name]:3}" for name in ("heavy", "light"))
