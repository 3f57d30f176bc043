"""Three scenes to render, and two schedules that wait in the admin to be switched on."""

from __future__ import annotations

from typing import Any

from django.db import migrations

SCENES = (("whole", -0.7, 0.0, 3.2), ("seahorses", -0.745, 0.113, 0.05), ("island", -1.7687, -0.0017, 0.04))
SCHEDULES = (
    ("a picture every minute", "gallery.heavy.heavy_task", "[5]"),
    ("publish every minute", "gallery.light.light_task", "[]"),
)


def fill(apps: Any, _: Any) -> None:
    for name, x, y, width in SCENES:
        apps.get_model("gallery", "Scene").objects.create(name=name, x=x, y=y, width=width)
    minute, _ = apps.get_model("django_celery_beat", "IntervalSchedule").objects.get_or_create(
        every=60, period="seconds"
    )
    for name, task, args in SCHEDULES:
        apps.get_model("django_celery_beat", "PeriodicTask").objects.create(
            name=name, task=task, args=args, interval=minute, enabled=False
        )


def empty(apps: Any, _: Any) -> None:
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(
        name__in=[name for name, _, _ in SCHEDULES]
    ).delete()


class Migration(migrations.Migration):
    dependencies = (("gallery", "0001_tables"), ("django_celery_beat", "0018_improve_crontab_helptext"))
    operations = (migrations.RunPython(fill, empty),)
