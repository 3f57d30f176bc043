"""The how-to pages of the integrations work as they are written: their tests inline, their workers for real."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to"
_FILE = re.compile(r"^`([\w./]+)`[^\n]*:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)


def written(project, page):
    """Make a project of the files that a page shows."""
    made = project()
    (made.folder / "shop_tasks.py").unlink()
    shown = _FILE.findall((HOW_TO / page).read_text())
    for name, text in shown:
        if name != "settings.py":
            made.write(name, text)
    return made, dict(shown)


def pass_their_own_tests(made, count):
    done = made.run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "test_shop.py", within=100)
    assert f"{count} passed" in done.stdout, done.stdout + done.stderr


def asked(made, code):
    done = made.run(sys.executable, "-c", code, within=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_page_on_testing(project):
    made, _ = written(project, "testing.md")
    pass_their_own_tests(made, 4)


def test_the_page_on_flask(project):
    made, _ = written(project, "flask.md")
    pass_their_own_tests(made, 1)
    up = made.start("flask", "--app", "shop", "celeriac", "up")
    up.wait_for_log("ready: ", within=60)
    value = asked(
        made,
        "import json, shop\n"
        "app = shop.create_app()\n"
        "task = app.test_client().get('/greet/Ada').json['task']\n"
        "print(json.dumps(app.extensions['celery'].AsyncResult(task).get(timeout=20)))",
    )
    assert value == "Hello Ada"


def test_the_page_on_fastapi(project):
    made, _ = written(project, "fastapi.md")
    pass_their_own_tests(made, 1)
    plain = re.findall(
        r"```python\n(from celeriac.integrations.asgi.*?)```", (HOW_TO / "fastapi.md").read_text(), re.DOTALL
    )
    made.write("plain.py", plain[0])
    up = made.start_celeriac("up")
    up.wait_for_log("ready: ", within=60)
    answers = asked(
        made,
        "import json, shop_web, plain\n"
        "from fastapi.testclient import TestClient\n"
        "with TestClient(shop_web.app) as web, TestClient(plain.app) as other:\n"
        "    print(json.dumps([web.post('/add/2/3').json()['sum'], web.get('/health/celery').json()['workers'],\n"
        "                      other.get('/add').json(), other.get('/health/ready').json()['ready']]))",
    )
    assert answers == [5, 1, 5, True]


def test_the_page_on_django(project):
    made, shown = written(project, "django.md")
    assert made.run("django-admin", "startproject", "mysite", ".").returncode == 0
    made.write("shop/__init__.py", "")
    settings = made.folder / "mysite" / "settings.py"
    settings.write_text(settings.read_text() + shown["settings.py"] + "INSTALLED_APPS += ['shop']\n")
    made.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
    pass_their_own_tests(made, 2)
    migrated = made.run(sys.executable, "manage.py", "migrate", "-v", "0", within=60)
    assert migrated.returncode == 0, migrated.stderr
    up = made.start(sys.executable, "manage.py", "celeriac", "up")
    up.wait_for_log("ready: ", within=60)
    value = asked(
        made,
        "import django, json\n"
        "django.setup()\n"
        "from shop.tasks import pay\n"
        "print(json.dumps(pay.delay(7).get(timeout=20)))",
    )
    assert value == "paid 7"
