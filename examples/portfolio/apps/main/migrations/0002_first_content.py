"""What a new site begins with: its cache table, its schedules, which are edited in the admin, and some projects."""

from typing import Any

from django.core.management import call_command
from django.db import migrations

SCHEDULES = (
    ("Check the site's health", "health_check", 1, "minutes"),
    ("Sum up page views", "update_analytics", 5, "minutes"),
    ("Remove temporary files", "cleanup_temp_files", 1, "hours"),
)
PROJECTS = (
    (
        "tide-tables",
        "Tide tables",
        2024,
        "Tides of every harbour of the North Sea, on one page that works offline.",
        "A year of tides is 40 KB once it is kept as harmonics. The page works them out by itself, on any telephone.",
    ),
    (
        "letterpress",
        "Letterpress",
        2023,
        "Sets a book from Markdown, with hyphens where they belong.",
        "Lines are broken by paragraph, not one by one, and a page that looks grey from afar is a page well set.",
    ),
    (
        "quiet-hours",
        "Quiet hours",
        2025,
        "Tells a whole house when somebody is asleep, without a cloud.",
        "A lamp at every door, a sensor under every mattress, and a radio that needs no server.",
    ),
)


def begin(apps: Any, schema_editor: Any) -> None:
    call_command("createcachetable", database=schema_editor.connection.alias, verbosity=0)
    interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    periodic = apps.get_model("django_celery_beat", "PeriodicTask")
    for name, task, every, period in SCHEDULES:
        schedule, _ = interval.objects.get_or_create(every=every, period=period)
        periodic.objects.get_or_create(
            name=name, defaults={"task": f"apps.main.tasks.{task}", "interval": schedule}
        )
    project = apps.get_model("main", "Project")
    for slug, title, year, summary, body in PROJECTS:
        project.objects.get_or_create(
            slug=slug, defaults={"title": title, "year": year, "summary": summary, "body": body}
        )


class Migration(migrations.Migration):
    dependencies = (("main", "0001_site"), ("django_celery_beat", "0019_alter_periodictasks_options"))
    operations = (migrations.RunPython(begin, migrations.RunPython.noop),)
