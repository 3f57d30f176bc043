"""Make the dead letters known, with their permissions."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = ()
    operations = (
        migrations.CreateModel(
            name="Letter",
            fields=[
                (
                    "id",
                    models.CharField(max_length=64, primary_key=True, serialize=False, verbose_name="letter"),
                ),
                ("died_at", models.DateTimeField(verbose_name="died")),
                ("state", models.CharField(max_length=16)),
                ("reason", models.CharField(max_length=64)),
                ("task", models.CharField(max_length=512)),
                ("queue", models.CharField(max_length=512)),
                ("attempts", models.IntegerField(verbose_name="runs")),
            ],
            options={
                "verbose_name": "dead letter",
                "permissions": (
                    ("replay_letter", "Can replay dead letters"),
                    ("discard_letter", "Can discard dead letters"),
                ),
                "managed": False,
                "default_permissions": ("view",),
            },
        ),
    )
