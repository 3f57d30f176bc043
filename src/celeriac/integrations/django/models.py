"""What Django must know of Celeriac's records to list them in its admin and to grant permissions on them.

The records live in their own database and are read through `celeriac.control`; none of these models has a table.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.text import Truncator

#: as much of a task's name as a heading has room for
_NAME_CHARS_MAX = 80


class _NoRows(models.Manager):
    """Finds nothing, so that `dumpdata` and the like do not look for a table."""

    def get_queryset(self) -> Any:
        return super().get_queryset().none()


class Letter(models.Model):
    """A dead letter, as the admin lists it. Permissions: view_letter, replay_letter, discard_letter."""

    id = models.CharField("letter", max_length=64, primary_key=True)
    died_at = models.DateTimeField("died")
    state = models.CharField(max_length=16)
    reason = models.CharField(max_length=64)
    task = models.CharField(max_length=512)
    queue = models.CharField(max_length=512)
    attempts = models.IntegerField("runs")

    objects = _NoRows()

    class Meta:
        managed = False
        default_permissions = ("view",)
        permissions = (
            ("replay_letter", "Can replay dead letters"),
            ("discard_letter", "Can discard dead letters"),
        )
        verbose_name = "dead letter"

    def __str__(self) -> str:
        return (
            f"{Truncator(self.task or 'a message that names no task').chars(_NAME_CHARS_MAX)} [{self.id[:8]}]"
        )


class Run(models.Model):
    """A task run, as the admin lists it. Permission: view_run."""

    id = models.CharField("task id", max_length=512, primary_key=True)
    seen_at = models.DateTimeField("last seen")
    state = models.CharField(max_length=16)
    task = models.CharField(max_length=512)
    queue = models.CharField(max_length=512)
    attempts = models.IntegerField()

    objects = _NoRows()

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = "task run"

    def __str__(self) -> str:
        return f"{Truncator(self.task or 'a task').chars(_NAME_CHARS_MAX)} [{self.id[:36]}]"
