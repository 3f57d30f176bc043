"""`celeriac adopt` on small projects of every layout: imported aside, written down, proved to be the same."""

import json
import sys

import pytest

from celeriac.plan import read_plan

PLAIN = """\
from celery import Celery

app = Celery("tasks", broker="amqp://shop:s3cret@127.0.0.1:1/shop")
app.conf.task_routes = {"tasks.slow": {"queue": "slow", "priority": 3}}
app.conf.task_soft_time_limit = 20
app.conf.task_max_retries = 3
app.conf.beat_schedule = {"each": {"task": "tasks.gone", "schedule": 30.0, "args": (1, 2)}}


@app.task
def add(x, y):
    return x + y


@app.task(rate_limit="10/m", time_limit=30, acks_late=True, serializer="json")
def slow():
    raise SystemExit("a task ran")
"""

CONFIGURED = """\
broker_url = "redis://127.0.0.1:1/0"
result_backend = "redis://127.0.0.1:1/1"
task_default_queue = "main"
task_acks_late = True
worker_concurrency = 3
imports = ["jobs.work"]
"""

DJANGO_SETTINGS = """\
SECRET_KEY = "of a test"
INSTALLED_APPS = ["shop"]
USE_TZ = True
CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
CELERY_RESULT_BACKEND = "redis://127.0.0.1:1/0"
CELERY_TASK_TIME_LIMIT = 300
CELERY_TASK_ROUTES = {"shop.tasks.*": {"queue": "shop"}}
CELERY_TASK_AUTORETRY_FOR = ["ValueError"]
CELERY_BEAT_SCHEDULE = {"never": {"task": "shop.tasks.work"}}
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
"""

DJANGO_CELERY = """\
import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "{settings}")
app = Celery("{name}")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
"""

TASKS = "from celery import shared_task\n\n\n@shared_task\ndef work(x):\n    raise SystemExit('a task ran')\n"


@pytest.fixture
def place(project):
    """An empty project folder."""
    made = project()
    for leftover in ("celeriac.toml", "shop_tasks.py"):
        (made.folder / leftover).unlink()
    return made


def adopted(place, *arguments, within=90.0):
    """What `celeriac adopt --json` says, which must prove that nothing changes."""
    done = place.celeriac("adopt", "--json", *arguments, within=within)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert said["differences"] == []
    return said


def codes(said):
    return [advice["code"] for advice in said["advice"]]


def test_a_plain_module_keeps_routes_limits_and_its_secret(place):
    place.write("tasks.py", PLAIN)
    place.write(
        "Procfile",
        "worker: celery -A tasks worker -Q celery,slow -c 4 -n main@%h\nbeat: celery -A tasks beat\n",
    )
    said = adopted(place)
    text = (place.folder / "celeriac.toml").read_text()
    assert "s3cret" not in text + json.dumps(said)
    plan = read_plan(place.folder / "celeriac.toml", environ={"CELERY_BROKER_URL": "amqp://127.0.0.1:1//"})
    assert (plan.app, list(plan.queues), plan.beat.replicas) == ("tasks", ["celery", "slow"], 1)
    assert (plan.pools["main"].queues, plan.pools["main"].concurrency) == (("celery", "slow"), 4)
    assert plan.celery["task_acks_late"] is False
    assert said["tasks"] == 2
    assert said["connected"] == []
    assert {"ADOPT-101", "ADOPT-103", "ADOPT-112"} <= set(codes(said))
    assert "ADOPT-104" not in codes(said)


def test_a_celeryconfig_module_keeps_what_it_says(place):
    place.write("jobs/__init__.py", "")
    place.write("jobs/celeryconfig.py", CONFIGURED)
    place.write(
        "jobs/app.py",
        'from celery import Celery\n\napp = Celery("jobs")\napp.config_from_object("jobs.celeryconfig")\n',
    )
    place.write("jobs/work.py", TASKS)
    said = adopted(place)
    assert said["app"] == "jobs.app:app"
    plan = read_plan(place.folder / "celeriac.toml")
    assert plan.celery.get("task_acks_late") is None  # the project's own
    assert plan.celery["broker_transport"] == "redis"
    assert plan.pools["default"].queues == ("main",)
    assert "ADOPT-130" in codes(said)


def test_a_django_namespace_is_read_through_its_own_settings(place):
    place.write("site_of_test/__init__.py", "from site_of_test.celery import app as celery_app\n")
    place.write("site_of_test/settings.py", DJANGO_SETTINGS)
    place.write("site_of_test/celery.py", DJANGO_CELERY.format(settings="site_of_test.settings", name="site"))
    place.write("shop/__init__.py", "")
    place.write("shop/tasks.py", TASKS)
    place.write("docker-compose.yml", "worker:\n  command: celery -A site_of_test worker -l info\n")
    said = adopted(place)
    assert said["app"] == "site_of_test"
    assert said["tasks"] == 1
    plan = read_plan(place.folder / "celeriac.toml")
    assert plan.pools["unread"].replicas == 0  # nobody reads "shop", to which its tasks go
    assert plan.pools["unread"].queues == ("shop",)
    assert {"ADOPT-101", "ADOPT-104", "ADOPT-140"} <= set(codes(said))
    checked = place.celeriac("check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_cookiecutter_layout_is_found_below_its_root(place):
    place.write("backend/config/__init__.py", "from config.celery_app import app as celery_app\n")
    place.write("backend/config/settings/__init__.py", "")
    place.write("backend/config/settings/local.py", DJANGO_SETTINGS)
    place.write(
        "backend/config/celery_app.py", DJANGO_CELERY.format(settings="config.settings.local", name="mine")
    )
    place.write("backend/shop/__init__.py", "")
    place.write("backend/shop/tasks.py", TASKS)
    for kind, options in (("worker", "-l INFO -Q celery,shop"), ("beat", "-l INFO")):
        place.write(
            f"compose/production/django/celery/{kind}/start",
            f"exec celery -A config.celery_app {kind} {options}\n",
        )
    said = adopted(place)
    assert said["app"] == "config.celery_app"
    plan = read_plan(place.folder / "backend" / "celeriac.toml")
    assert list(plan.pools) == ["celery"]
    assert plan.beat.replicas == 1
    assert "beat_scheduler" not in plan.celery  # the project's own


def test_a_plan_that_is_there_is_not_overwritten(place):
    place.write("tasks.py", PLAIN)
    place.write("celeriac.toml", "# mine\n")
    done = place.celeriac("adopt", within=90)
    assert done.returncode == 1
    assert "ADOPT-010" in done.stderr
    assert (place.folder / "celeriac.toml").read_text() == "# mine\n"
    shown = place.celeriac("adopt", "--output", "-", within=90)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("# Written by `celeriac adopt`")
    assert "They are the same." in shown.stderr


@pytest.mark.parametrize(
    ("code", "text", "said"),
    [
        ("ADOPT-003", "raise ValueError('DATABASE_URL is not set')", "DATABASE_URL is not set"),
        ("ADOPT-004", "import no_such_library", 'no module "no_such_library"'),
        (
            "ADOPT-005",
            "print('last words', flush=True); import os; os._exit(7)",
            "with 7; it said:\n    last words",
        ),
        ("ADOPT-005", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "with -11"),
        (
            "ADOPT-003",
            "import socket; socket.create_connection(('127.0.0.1', 9))",
            "it wanted to connect to ('127.0.0.1', 9",
        ),
    ],
)
def test_a_project_that_breaks_is_told_in_its_own_words(place, code, text, said):
    place.write("tasks.py", f"{text}\n{PLAIN}")
    done = place.celeriac("adopt", "-A", "tasks", within=90)
    assert done.returncode == 1
    assert code in done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (place.folder / "celeriac.toml").exists()


def test_an_import_that_hangs_and_floods_is_ended(place, monkeypatch):
    from celeriac.adopting.asking import ask
    from celeriac.errors import AdoptError

    place.write("tasks.py", "while True: print('x' * 10_000)\n")
    with pytest.raises(AdoptError) as caught:
        ask(place.folder, "tasks", deadline_s=3.0)
    assert caught.value.code == "ADOPT-006"
    assert len(caught.value.message) < 20_000


def test_a_project_that_only_tries_to_connect_is_adopted_and_told_of(place):
    trying = (
        "import socket\ntry:\n    socket.create_connection(('127.0.0.1', 9))\nexcept OSError:\n    pass\n"
    )
    place.write("tasks.py", trying + PLAIN)
    assert "127.0.0.1" in adopted(place)["connected"][0]


def test_no_app_and_several_apps_are_told_apart(place):
    empty = place.celeriac("adopt", within=60)
    assert "ADOPT-001" in empty.stderr
    place.write("one.py", "from celery import Celery\napp = Celery('one')\n")
    place.write("two.py", "import celery\nqueue = celery.Celery('two')\n")
    several = place.celeriac("adopt", within=60)
    assert "ADOPT-002 2 Celery apps were found." in several.stderr
    assert "-A one:app (one.py:2), -A two:queue (two.py:2)" in several.stderr


def test_broker_and_results_on_one_server_keep_a_variable_each(place):
    url = "redis://:s3cret@127.0.0.1:1/0"
    place.environ.update(CELERY_BROKER_URL=url, CELERY_RESULT_BACKEND=url)
    place.write("tasks.py", "from celery import Celery\napp = Celery('tasks')\n")
    adopted(place)
    text = (place.folder / "celeriac.toml").read_text()
    assert 'broker = "${CELERY_BROKER_URL}"\nresults = "${CELERY_RESULT_BACKEND}"' in text


def test_a_setting_that_a_framework_holds_for_its_code_is_not_called_dead(place):
    place.write(
        "tasks.py",
        "from celery import Celery\napp = Celery('tasks', broker='redis://127.0.0.1:1/0')\n"
        "app.conf.update({'CELERY_BROKER_URL': 'redis://127.0.0.1:1/0'})\n",
    )
    assert "ADOPT-101" not in codes(adopted(place))


def test_what_is_not_kept_is_listed_and_fails(place):
    """The proof can fail: an app that reads its environment by chance is not the same twice."""
    place.write("tasks.py", PLAIN + "import os\napp.conf.worker_concurrency = os.getpid()\n")
    done = place.celeriac("adopt", within=90)
    assert done.returncode == 1
    assert "These differ:" in done.stdout
    assert "worker_concurrency" in done.stdout


def test_the_process_that_imports_is_this_interpreter(place):
    place.write("tasks.py", f"import sys\nassert sys.executable == {sys.executable!r}\n" + PLAIN)
    adopted(place)
