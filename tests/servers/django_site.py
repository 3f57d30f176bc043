"""A small real Django site for a test's project: settings, a database, an app with tasks."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

from servers.project import Project, Running
from servers.redis_server import free_port
from servers.waiting import eventually

PLAN = """\
[celeriac]
name = "site"

[queues.default]
[queues.low]

[pools.web]
queues = ["default", "low"]
executor = "solo"

[tasks."shop.*"]
retry = { limit = 1, backoff = "10ms" }

[tasks."shop.fail"]
queue = "low"
retry = { limit = 0 }
"""

SETTINGS = """\
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "of a test"
DEBUG = True
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "site_of_test.urls"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_celery_beat",
    "django_celery_results",
    "celeriac.integrations.django",
    "shop",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "site.db"}}
STATIC_URL = "/static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CELERY_TASK_SEND_SENT_EVENT = True
"""

URLS = """\
from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
"""

MANAGE = """\
import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_of_test.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
"""

MODELS = """\
from django.db import models


class Order(models.Model):
    name = models.CharField(max_length=50)
    is_paid = models.BooleanField(default=False)
"""

TASKS = """\
from celery import shared_task


@shared_task(name="shop.pay")
def pay(name):
    from shop.models import Order

    return Order.objects.filter(name=name).update(is_paid=True)


@shared_task(name="shop.fail")
def fail(message="no"):
    raise ValueError(message)
"""


class DjangoSite:
    """A site in a project's folder."""

    def __init__(self, project: Project, settings: str = "") -> None:
        self.project = project
        self.folder: Path = project.folder
        for name, text in {
            "manage.py": MANAGE,
            "site_of_test/__init__.py": "",
            "site_of_test/settings.py": SETTINGS + settings,
            "site_of_test/urls.py": URLS,
            "shop/__init__.py": "",
            "shop/models.py": MODELS,
            "shop/tasks.py": TASKS,
        }.items():
            project.write(name, text)
        project.environ["DJANGO_SETTINGS_MODULE"] = "site_of_test.settings"

    def manage(self, *arguments: str, within: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run `manage.py …` to its end."""
        return self.project.run(sys.executable, "manage.py", *arguments, within=within)

    def migrate(self) -> None:
        """Make the database."""
        done = self.manage("migrate", "--run-syncdb", "-v", "0")
        assert done.returncode == 0, done.stderr

    def ask(self, code: str, *, within: float = 60.0) -> object:
        """Run Python in the site; give what it assigned to `answer`, through JSON."""
        text = f"import django, json\ndjango.setup()\n{code}\nprint('\\nanswer:' + json.dumps(answer))\n"
        done = self.project.run(sys.executable, "-c", text, within=within)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.rpartition("answer:")[2])

    def serve(self, *, within: float = 60.0) -> str:
        """Serve it as `manage.py runserver` does; give its URL once it answers."""
        url = f"http://127.0.0.1:{free_port()}"
        server = self.project.start(
            sys.executable, "manage.py", "runserver", "--noreload", url.removeprefix("http://")
        )
        eventually(lambda: _answers(f"{url}/admin/login/", server), within=within)
        return url


def _answers(url: str, server: Running) -> bool:
    if not server.is_running():
        raise RuntimeError(f"the site ended with {server.process.returncode}:\n{server.log}")
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
