"""Make the task runs known, with their permission."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("celeriac", "0001_letters"),)
    operations = (
        migrations.CreateModel(
            name="Run",
            fields=[
                (
                    "id",
                    models.CharField(
                        max_length=512, primary_key=True, serialize=False, verbose_name="task id"
                    ),
                ),
                ("seen_at", models.DateTimeField(verbose_name="last seen")),
                ("state", models.CharField(max_length=16)),
                ("task", models.CharField(max_length=512)),
                ("queue", models.CharField(max_length=512)),
                ("attempts", models.IntegerField()),
            ],
            options={"verbose_name": "task run", "managed": False, "default_permissions": ("view",)},
        ),
    )
