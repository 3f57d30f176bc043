"""Schedules in django-celery-beat's tables: sent by our beat, edited in the admin, taken up within seconds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from servers.project import Project, Running
from servers.waiting import eventually

PLAN = """\
[celeriac]
name = "site"
app = "site_celery:app"

[queues.default]

[pools.web]
queues = ["default"]
executor = "solo"

[beat]
lease = "1s"
"""

SETTINGS = """\
SECRET_KEY = "of a test"
USE_TZ = True
TIME_ZONE = "Europe/Berlin"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django_celery_beat"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "site.db", "OPTIONS": {"timeout": 10}}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""

APP = """\
import os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")
from celery import Celery

app = Celery("site")
app.conf.beat_scheduler = "django_celery_beat.schedulers:DatabaseScheduler"

@app.task(name="site.note")
def note(*args):
    pass

app.conf.beat_schedule = {"of-the-code": {"task": "site.note", "schedule": 0.5}}
"""

#: run with Django set up; prints one JSON value
PRELUDE = """\
import json, os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")
import django
django.setup()
from django.utils import timezone
from datetime import timedelta
from django_celery_beat.models import *
seconds = lambda n: IntervalSchedule.objects.get_or_create(every=n, period="seconds")[0]
"""


class Admin:
    """What an editor does in the admin, in processes of their own."""

    def __init__(self, project: Project) -> None:
        self.project = project

    def do(self, code: str) -> Any:
        ended = self.project.run("python", "-c", PRELUDE + code)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout) if ended.stdout.strip() else None

    def row(self, name: str) -> dict[str, Any]:
        found = self.do(
            f"row = PeriodicTask.objects.get(name={name!r})\n"
            "print(json.dumps({'enabled': row.enabled, 'count': row.total_run_count,"
            " 'last': row.last_run_at and row.last_run_at.timestamp()}))"
        )
        assert isinstance(found, dict)
        return found


@pytest.fixture
def site(project: Callable[..., Project]) -> Iterator[tuple[Admin, Running]]:
    made: Project = project(plan=PLAN)
    made.write("site_settings.py", SETTINGS)
    made.write("site_celery.py", APP)
    admin = Admin(made)
    admin.do("from django.core.management import call_command\ncall_command('migrate', verbosity=0)")
    admin.do(
        "PeriodicTask.objects.create(name='in-the-admin', task='site.note', interval=seconds(1), args='[7]')\n"
        "PeriodicTask.objects.create(name='broken', task='site.note', interval=seconds(1))\n"
        "PeriodicTask.objects.filter(name='broken').update(headers='no JSON')\n"
        "PeriodicTask.objects.create(name='off', task='site.note', interval=seconds(1), enabled=False)\n"
        "PeriodicTask.objects.create(name='once', task='site.note', one_off=True, clocked=ClockedSchedule.objects"
        ".create(clocked_time=timezone.now() + timedelta(seconds=1)))\n"
        "PeriodicTask.objects.create(name='one-of-many', task='site.note', one_off=True, interval=seconds(1))\n"
        "PeriodicTask.objects.filter(name='one-of-many').update(date_changed=timezone.now() - timedelta(seconds=9))"
    )
    beat = made.start_celeriac("beat")
    beat.wait_for_log("schedule of-the-code sent")
    yield admin, beat


def test_the_admin_stays_the_editor(site: tuple[Admin, Running]) -> None:
    admin, beat = site
    beat.wait_for_log("schedule in-the-admin sent site.note")
    beat.wait_for_log("schedule once sent")
    beat.wait_for_log("schedule broken is not sent: JSONDecodeError")
    assert "sets beat_scheduler" not in beat.log, "its own scheduler reads the same tables"

    def written_back() -> bool:
        row = admin.row("in-the-admin")
        return bool(row["count"] >= 1 and row["last"])

    eventually(written_back, within=60.0)
    assert admin.row("once") == {**admin.row("once"), "enabled": False, "count": 0}
    # Several of its slots were due when the beat first saw it.
    assert beat.log.count("schedule one-of-many sent") == 1
    assert admin.row("one-of-many")["enabled"] is False

    # Edits of every kind, taken up within seconds.
    admin.do(
        "PeriodicTask.objects.create(name='new', task='site.note', interval=seconds(1))\n"
        "row = PeriodicTask.objects.get(name='in-the-admin'); row.enabled = False; row.save()\n"
        "row = PeriodicTask.objects.get(name='off'); row.enabled = True; row.save()\n"
        "PeriodicTask.objects.create(name='of-the-code', task='site.note', interval=seconds(3600))"
    )
    beat.wait_for_log("schedule new sent", within=60.0)
    beat.wait_for_log("schedule off sent", within=60.0)
    counted = admin.row("in-the-admin")["count"]

    def sent(name: str) -> int:
        return beat.log.count(f"schedule {name} sent")

    stopped, of_the_code, of_new = sent("in-the-admin"), sent("of-the-code"), sent("new")
    eventually(lambda: sent("new") >= of_new + 3, within=60.0)
    assert sent("in-the-admin") == stopped
    assert admin.row("in-the-admin")["count"] == counted
    assert sent("of-the-code") == of_the_code, "the row of the same name wins"
    assert sent("once") == 1
    assert beat.stop() == 0, beat.log


def test_schedules_of_the_tables_are_listed_with_the_others(site: tuple[Admin, Running]) -> None:
    admin, _ = site
    ended = admin.project.celeriac("schedule", "list", "--json")
    assert ended.returncode == 0, ended.stderr
    found = {it["name"]: it["source"] for it in json.loads(ended.stdout)["schedules"]}
    assert found["in-the-admin"] == "django"
    assert found["of-the-code"] == "code"
    assert "off" not in found
