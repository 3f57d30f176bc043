"""A Django project with Celeriac in INSTALLED_APPS: its app, its tasks, its checks, its command."""

from __future__ import annotations

import sys

import pytest

from servers.django_site import PLAN, DjangoSite

OWN_APP = """\
import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_of_test.settings")
app = Celery("own")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
"""


@pytest.fixture
def site(project):
    def make(plan=PLAN, settings=""):
        return DjangoSite(project(plan=plan), settings)

    return make


def test_a_site_without_a_celery_app_gets_one_that_follows_the_plan(site):
    asked = site().ask(
        "from celery import current_app as app\n"
        "from shop.tasks import fail\n"
        "answer = [app.main, app.conf.task_send_sent_event, app.conf.task_acks_late, fail.policy.queue,\n"
        "          hasattr(fail, 'delay_on_commit'), sorted(n for n in app.tasks if n.startswith('shop'))]"
    )
    assert asked == ["site", True, True, "low", True, ["shop.fail", "shop.pay"]]


def test_the_celery_app_of_a_site_is_adopted(site):
    made = site()
    made.project.write("site_of_test/celery.py", OWN_APP)
    made.project.write("site_of_test/__init__.py", "from .celery import app as celery_app\n")
    asked = made.ask(
        "from site_of_test import celery_app as app\n"
        "from celery import current_app\n"
        "answer = [app.main, app.celeriac.plan.name, current_app.main, app.task_cls]"
    )
    assert asked == ["own", "site", "own", "celeriac.integrations.django.task:Task"]


def test_a_plan_may_stand_in_the_settings(site):
    made = site(settings='CELERIAC = {"name": "inline", "queues": {"default": {"max_wait": "5s"}}}\n')
    (made.folder / "celeriac.toml").unlink()
    asked = made.ask(
        "from celery import current_app as app\n"
        "plan = app.celeriac.plan\n"
        "answer = [plan.name, plan.queues['default'].max_wait.total_seconds(), str(plan.folder)]"
    )
    assert asked == ["inline", 5.0, str(made.folder)]


def test_two_plans_are_refused(site):
    made = site(settings='CELERIAC = {"name": "second"}\n')
    checked = made.manage("check")
    assert checked.returncode == 1
    assert "(celeriac.WEB-002)" in checked.stderr


def test_the_problems_of_a_plan_are_django_checks(site):
    plan = PLAN.replace('queues = ["default", "low"]', 'queues = ["default", "lou"]')
    plan += '\n[tasks."shop.gone"]\nqueue = "nowhere"\n'
    made = site(plan)
    checked = made.manage("check")
    assert checked.returncode == 1
    assert "(celeriac.PLAN-" in checked.stderr
    assert '"lou"' in checked.stderr
    assert '"nowhere"' in checked.stderr
    assert 'write "low"' in checked.stderr
    started = made.project.run(sys.executable, "-c", "import django; django.setup()")
    assert started.returncode == 1, "a web server would send by a plan nobody could read"
    assert "PLAN-" in started.stderr


def test_a_whole_plan_passes_the_checks(site):
    checked = site().manage("check")
    assert (checked.returncode, "no issues" in checked.stdout) == (0, True), checked.stderr


def test_manage_py_passes_everything_on_to_the_command_line(site, eventually):
    made = site(settings='CELERY_RESULT_BACKEND = "django-db"\n')
    made.migrate()
    worker = made.project.start(sys.executable, "manage.py", "celeriac", "worker", "web")
    worker.wait_for_log("ready.")

    paid = made.ask(
        "from django.db import connection, transaction\n"
        "from shop.models import Order\n"
        "from shop.tasks import pay\n"
        "with transaction.atomic():\n"
        "    Order.objects.create(name='first')\n"
        "    before = pay.delay_on_commit('first')\n"
        "import time\n"
        "deadline = time.monotonic() + 20\n"
        "while not Order.objects.get(name='first').is_paid and time.monotonic() < deadline:\n"
        "    time.sleep(0.05)\n"
        "from django_celery_results.models import TaskResult\n"
        "while not (kept := TaskResult.objects.values_list('status', flat=True)) and time.monotonic() < deadline:\n"
        "    time.sleep(0.05)\n"
        "answer = [Order.objects.get(name='first').is_paid, list(kept.all())]"
    )
    assert paid == [True, ["SUCCESS"]]
    made.ask("from shop.tasks import fail\nfail.delay('of hunger')\nanswer = 1")
    eventually(lambda: "became letter" in worker.log, within=60)

    listed = made.manage("celeriac", "dead", "list", "--json")
    assert '"shop.fail"' in listed.stdout, listed.stderr
    assert made.manage("celeriac", "--help").stdout.startswith("Usage: celeriac")
    assert made.manage("celeriac", "nonsense").returncode == 2
    called = made.ask(
        "from django.core.management import CommandError, call_command\n"
        "call_command('celeriac', 'queues', '--json')\n"
        "try:\n"
        "    call_command('celeriac', 'nonsense')\n"
        "    answer = 0\n"
        "except CommandError as error:\n"
        "    answer = error.returncode"
    )
    assert called == 2
    assert worker.stop() == 0, worker.log
