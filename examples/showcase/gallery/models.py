"""What is rendered, and what came of it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Scene(models.Model):
    """A place in the complex plane that pictures are made of.

    x, y: its centre. width: of the view; a smaller one is a deeper zoom, and takes longer.
    """

    name = models.SlugField(unique=True)
    x = models.FloatField()
    y = models.FloatField()
    width = models.FloatField(default=3.2)

    def __str__(self) -> str:
        return str(self.name)


class Picture(models.Model):
    """One rendered picture; its file is `media/pictures/{task_id}.png`.

    task_id: of the task that rendered it, which may run twice and still makes one picture.
    published_at, sha256: set once it is published.
    """

    task_id = models.CharField(max_length=64, unique=True)
    scene = models.ForeignKey(Scene, on_delete=models.PROTECT)
    detail = models.PositiveSmallIntegerField()
    rendered_at = models.DateTimeField(auto_now=True)
    published_at = models.DateTimeField(null=True, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering: ClassVar = ["-rendered_at"]

    def __str__(self) -> str:
        return f"{self.scene} at detail {self.detail}"

    @property
    def path(self) -> str:
        """Its file, from MEDIA_ROOT."""
        return f"pictures/{self.task_id}.png"
