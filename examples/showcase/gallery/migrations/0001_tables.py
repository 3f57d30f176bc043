"""Make the tables of scenes and pictures."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = ()
    operations = (
        migrations.CreateModel(
            name="Scene",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.SlugField(unique=True)),
                ("x", models.FloatField()),
                ("y", models.FloatField()),
                ("width", models.FloatField(default=3.2)),
            ],
        ),
        migrations.CreateModel(
            name="Picture",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("task_id", models.CharField(max_length=64, unique=True)),
                ("detail", models.PositiveSmallIntegerField()),
                ("rendered_at", models.DateTimeField(auto_now=True)),
                ("published_at", models.DateTimeField(blank=True, null=True)),
                ("sha256", models.CharField(blank=True, max_length=64)),
                (
                    "scene",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="gallery.scene"),
                ),
            ],
            options={"ordering": ["-rendered_at"]},
        ),
    )
