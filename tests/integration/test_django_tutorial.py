"""`manage.py celery_tutorial`: the tutorial on a Django project's own plan, with its own tasks."""

import re

import pytest

from servers.django_site import DjangoSite

PLAN = """\
[celeriac]
name = "site"
broker = "{broker}"

[queues.light]
[queues.heavy]

[pools.light]
queues = ["light"]
executor = "solo"
[pools.heavy]
queues = ["heavy"]
concurrency = 1

[tasks."shop.light_task"]
queue = "light"
[tasks."shop.heavy_task"]
queue = "heavy"
retry = {{ limit = 2, backoff = "100ms", jitter = false }}

[schedules.yearly]
task = "shop.light_task"
cron = "0 0 1 1 *"

[records]
"""

TASKS = """\
import time

from celery import shared_task


@shared_task(name="shop.light_task")
def light_task(name="an order"):
    from shop.models import Order

    return Order.objects.create(name=str(name)).pk


@shared_task(name="shop.heavy_task")
def heavy_task(seconds):
    ends_at = time.monotonic() + float(seconds)
    while time.monotonic() < ends_at:
        pass
    return seconds
"""

CAST = """
CELERIAC_TUTORIAL = {
    "heavy_args": [0.1],
    "long_args": [5],
    "failing_args": ["soon"],
    "mended": [0.1],
    "schedule": "yearly",
    "chains": 5,
}
"""


@pytest.fixture
def site_on(project):
    """Make a site on a broker, with the parts of its tutorial named in its settings."""

    def make(broker: str = "sqlite:///.celeriac/broker.db", cast: str = CAST) -> DjangoSite:
        made = project(plan=PLAN.format(broker=broker))
        site = DjangoSite(made, settings=cast)
        made.write("shop/tasks.py", TASKS)
        made.environ["COLUMNS"] = "80"
        return site

    return make


@pytest.fixture(params=["redis", "rabbitmq"])
def broker(request):
    server = request.getfixturevalue(f"{request.param}_server")
    return server.new_vhost() if request.param == "rabbitmq" else server.database(11)


def test_a_project_on_a_server_plays_every_part_itself(site_on, broker):
    site = site_on(broker)
    site.migrate()
    done = site.manage("celery_tutorial", "--no-input", "--chains", "6", within=110)
    assert done.returncode == 0, done.stdout + done.stderr
    told = " ".join(done.stdout.split())
    assert "Left out: nobody plays a task that fails at first" in told
    assert "12 tasks ended well" in told
    assert "1 letter: failed after 3 attempts" in told
    assert "its letter is replayed" in told
    assert "it began 2 times and was lost 0 times" in told
    assert "celeriac schedule run yearly" in told
    assert ("port 15672" in told) == broker.startswith("amqp")
    sent, well = map(int, re.search(r"(\d+) tasks were sent, (\d+) ended well, 0 were lost", told).groups())
    # The first task, a chain, six chains, the letter's, the killed one (again if it ended before it was seen to run),
    # the schedule's.
    assert sent == well
    assert 18 <= sent <= 20
    # The light ones: alone, seven in chains, by the schedule.
    assert site.ask("from shop.models import Order; answer = Order.objects.count()") == 9


def test_somebody_elses_workers_are_noticed_before_anything_is_counted(site_on):
    site = site_on()
    site.migrate()
    worker = site.project.start_celeriac("worker", "heavy", "-A", "celeriac.integrations.django.celery:app")
    worker.wait_for_log("ready", within=60)
    done = site.manage("celery_tutorial", "--no-input")
    assert done.returncode == 1
    assert "TUTOR-005 1 of somebody else's workers read queue heavy" in done.stderr
    assert not done.stdout.count("✓")


def test_messages_that_wait_already_are_noticed_too(site_on):
    site = site_on()
    site.migrate()
    site.ask("from shop.tasks import light_task; light_task.delay(); answer = 1")
    done = site.manage("celery_tutorial", "--no-input", "--step", "baseline")
    assert done.returncode == 1
    assert "TUTOR-006 1 messages are in queue light already" in done.stderr


@pytest.mark.parametrize(
    ("cast", "options", "code", "fix"),
    [
        ("CELERIAC_TUTORIAL = {'hevy': 'x'}", [], "TUTOR-020", "known: light, light_args, heavy"),
        ("", ["--heavy", "shop.hevy_task"], "TUTOR-021", "known: shop.heavy_task, shop.light_task"),
        ("", ["--heavy-args", "5"], "", "is no list of arguments, like '[5]'"),
        ("", ["--step", "killd"], "TUTOR-002", 'write "killed"'),
        ("", ["--chains", "0"], "TUTOR-020", "known: 1 to 500"),
        ("", [], "TUTOR-024", "heavy_args"),
    ],
)
def test_a_cast_that_cannot_play_is_told_what_it_lacks(site_on, cast, options, code, fix):
    site = site_on(cast=cast)
    done = site.manage("celery_tutorial", "--no-input", *options)
    assert done.returncode != 0
    assert code in done.stderr
    assert fix in done.stderr
    assert "Traceback" not in done.stderr
