"""Commands that ask for results, where these are rows of Django's."""

from __future__ import annotations

import sys

from servers.django_site import PLAN, DjangoSite

OWN_APP = """\
import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_of_test.settings")
app = Celery("own")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
"""


def test_why_reads_results_from_djangos_tables_wherever_it_is_started(project):
    plan = PLAN.replace('name = "site"', 'app = "site_of_test.celery:app"\nresults = "django-db"')
    site = DjangoSite(project(plan=plan))
    site.project.write("site_of_test/celery.py", OWN_APP)
    site.migrate()
    stored = site.ask(
        "from django_celery_results.models import TaskResult\n"
        "answer = TaskResult.objects.create(task_id='done', status='SUCCESS', result='5').task_id"
    )
    for program in ((sys.executable, "manage.py", "celeriac"), (sys.executable, "-m", "celeriac")):
        told = site.project.run(*program, "why", str(stored))
        assert told.returncode == 0, told.stderr
        assert "succeeded" in told.stdout
        assert "Traceback" not in told.stderr
