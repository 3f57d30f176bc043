"""Heavy tasks: they compute, each in a process that does nothing else meanwhile."""

from __future__ import annotations

from celeriac import HeavyTask
from celery import shared_task

from gallery.files import write_whole
from gallery.mandelbrot import View, render
from gallery.models import Picture, Scene


@shared_task(base=HeavyTask, bind=True)
def heavy_task(self: HeavyTask, detail: int, scene: str = "whole") -> int:
    """Render a picture, and give its id.

    detail: 1 to 40; the work grows with its square.
    A second run makes the same picture again: file and row carry the id of the task.
    Raises: Scene.DoesNotExist; ValueError if there is no such detail.
    """
    shown = Scene.objects.get(name=scene)
    picture = Picture(task_id=self.request.id, scene=shown, detail=detail)
    write_whole(picture.path, render(View(shown.x, shown.y, shown.width), detail))
    kept, _ = Picture.objects.update_or_create(
        task_id=picture.task_id, defaults={"scene": shown, "detail": detail}
    )
    return int(kept.pk)
