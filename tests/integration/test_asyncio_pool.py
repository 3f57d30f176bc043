"""The asyncio executor in a real worker: many at once, limits, revokes, retries, canvas, drain, and other libraries."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator

import pytest

from servers.project import Project
from servers.redis_server import RedisServer

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
[queues.default]
[pools.web]
queues = ["default"]
executor = "asyncio"
concurrency = 200
[tasks."shop.flaky"]
retry = { limit = 2, backoff = "50ms" }
"""

TASKS = """\
import asyncio, contextvars, os, threading, time
from pathlib import Path
from celery import chain, chord, current_task, group, shared_task, signals
from celeriac import result_of

WHO = contextvars.ContextVar("WHO", default=None)
SEEN = []

@signals.task_prerun.connect(weak=False)
def began(task_id, **_): SEEN.append(task_id)

@shared_task(name="shop.nap", bind=True)
async def nap(self, seconds):
    WHO.set(self.request.id)
    for _ in range(5):
        await asyncio.sleep(seconds / 5)
        assert self.request.id == current_task.request.id == WHO.get()
    assert self.request.id in SEEN
    return threading.current_thread().name

@shared_task(name="shop.plain", bind=True)
def plain(self, x):
    time.sleep(0.05)
    return [x, threading.current_thread().name, self.request.id == current_task.request.id]

@shared_task(name="shop.flaky", bind=True)
async def flaky(self):
    await asyncio.sleep(0)
    if self.request.retries < 2:
        raise ValueError("again")
    return self.request.retries

@shared_task(name="shop.fail")
async def fail():
    await asyncio.sleep(0)
    raise KeyError("lost")

@shared_task(name="shop.parent")
async def parent():
    inside = await result_of(nap.delay(0.05), timeout=20)
    both = await result_of(group(add.s(1, 2), add.s(3, 4))(), timeout=20)
    return [inside, both]

@shared_task(name="shop.add")
async def add(x, y):
    return x + y

@shared_task(name="shop.total")
async def total(numbers):
    return sum(numbers)

@shared_task(name="shop.soft", soft_time_limit=0.3)
async def soft():
    try:
        await asyncio.sleep(60)
    finally:
        Path("tidied").touch()

@shared_task(name="shop.hard", time_limit=0.3)
async def hard():
    while True:
        try:
            await asyncio.sleep(60)
        except Exception:
            pass

@shared_task(name="shop.hold")
async def hold():
    Path("held").touch()
    while not Path("go on").exists():
        await asyncio.sleep(0.02)
    Path("ended").touch()

@shared_task(name="shop.get")
async def get():
    return add.delay(1, 1).get(timeout=5)
"""

DRIVER = """\
import json, sys, time
from celeriac import create_app
app = create_app(); app.set_default()
import shop_tasks as t
from celery import chain, chord, group
print(json.dumps({body}))
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project whose worker all these tests share; none of them ends it."""
    shop = Project(tmp_path_factory.mktemp("shop"), plan=PLAN, tasks=TASKS, environ={})
    shop.start_celeriac("worker", "web").wait_for_log("ready.", within=60)
    shop.start_celeriac("recorder")
    yield shop
    shop.close()


@pytest.fixture
def own_shop(project: Callable[..., Project]) -> Project:
    """A project whose worker the test may end."""
    shop = project(plan=PLAN, tasks=TASKS)
    shop.start_celeriac("worker", "web").wait_for_log("ready.", within=60)
    return shop


def ask(shop: Project, body: str) -> object:
    """Evaluate an expression in a process that sends tasks."""
    shop.write("driver.py", DRIVER.replace("{body}", body))
    asked = shop.run("python", "driver.py", within=60)
    assert asked.returncode == 0, asked.stderr
    return json.loads(asked.stdout)


def failure(shop: Project, name: str) -> str:
    """Send a task that fails, and say how."""
    sent = shop.celeriac("send", name, "--wait", within=60)
    assert sent.returncode == 1
    return sent.stderr + sent.stdout


def test_hundreds_of_coroutines_wait_at_once_each_with_its_own_request(shop: Project) -> None:
    took, threads = ask(
        shop,
        "(lambda began, sent: [[r.get(timeout=50) for r in sent], time.time() - began])"
        "(time.time(), [t.nap.delay(1) for _ in range(150)])[::-1]",
    )
    assert set(threads) == {"asyncio-pool"}
    assert took < 45  # one after the other they take 150 s


def test_plain_functions_run_in_threads_beside_the_loop(shop: Project) -> None:
    x, thread, same = ask(shop, "t.plain.delay(4).get(timeout=20)")
    assert (x, same) == (4, True)
    assert thread.startswith("asyncio-pool_")


def test_a_policys_retries_hold_for_coroutines(shop: Project) -> None:
    assert ask(shop, "t.flaky.delay().get(timeout=20)") == 2


def test_a_coroutine_that_fails_for_good_is_a_letter(
    shop: Project, eventually: Callable[..., object]
) -> None:
    assert "KeyError" in failure(shop, "shop.fail")
    eventually(lambda: "shop.fail" in shop.celeriac("dead", "list").stdout, within=60)


def test_awaiting_a_subtask_lets_others_run_and_get_is_refused(shop: Project) -> None:
    assert ask(shop, "t.parent.delay().get(timeout=40)") == ["asyncio-pool", [3, 7]]
    assert "Never call result.get() within a task" in failure(shop, "shop.get")


def test_canvas_holds(shop: Project) -> None:
    assert ask(shop, "chain(t.add.s(1, 2), t.add.s(10))().get(timeout=20)") == 13
    assert ask(shop, "chord([t.add.s(i, i) for i in range(10)])(t.total.s()).get(timeout=20)") == 90


def test_a_soft_limit_is_raised_where_the_coroutine_waits(shop: Project) -> None:
    assert "SoftTimeLimitExceeded" in failure(shop, "shop.soft")
    assert (shop.folder / "tidied").exists()


def test_a_hard_limit_ends_even_what_catches_everything(shop: Project) -> None:
    assert "TimeLimitExceeded" in failure(shop, "shop.hard")
    # Its slot is free, and the worker well.
    assert ask(shop, "t.add.delay(1, 2).get(timeout=20)") == 3


def test_a_revoked_coroutine_ends_where_it_waits(shop: Project) -> None:
    shop.write(
        "revoke.py",
        "import time\nfrom driver import t\nsent = t.nap.delay(60)\ntime.sleep(1)\nsent.revoke(terminate=True)\n"
        "print(type(sent.get(timeout=30, propagate=False)).__name__)\n",
    )
    ask(shop, "1")
    outcome = shop.run("python", "revoke.py", within=60).stdout.split()[-1]
    assert outcome == "TaskRevokedError"


def test_a_drained_worker_finishes_its_coroutines(
    own_shop: Project, eventually: Callable[..., object]
) -> None:
    own_shop.celeriac("send", "shop.hold")
    eventually((own_shop.folder / "held").exists, within=60)
    drain = own_shop.start_celeriac("drain")
    drain.wait_for_log("asked to finish", within=60)
    (own_shop.folder / "go on").touch()
    assert drain.wait(within=60) == 0
    assert (own_shop.folder / "ended").exists()


def test_what_a_killed_worker_ran_runs_again(own_shop: Project, eventually: Callable[..., object]) -> None:
    own_shop.celeriac("send", "shop.hold")
    eventually((own_shop.folder / "held").exists, within=60)
    worker = own_shop._started[0]
    worker.signal_group(signal.SIGKILL)
    (own_shop.folder / "go on").touch()
    own_shop.start_celeriac("worker", "web").wait_for_log("ready.", within=60)
    eventually((own_shop.folder / "ended").exists, within=60)


def test_the_command_line_it_comes_to_is_celerys_own_way(shop: Project) -> None:
    line = (
        "CELERY_CUSTOM_WORKER_POOL=celeriac.pools.asyncio:TaskPool celery worker -Q default -P custom -c 200"
    )
    assert line in shop.celeriac("plan").stdout


DJANGO_TASKS = """\
import os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")
import django
django.setup()
from celery import shared_task
from django.contrib.auth.models import User

@shared_task(name="shop.count")
async def count(name):
    await User.objects.aget_or_create(username=name)
    return await User.objects.acount()
"""
SETTINGS = """\
from pathlib import Path
SECRET_KEY = "x"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django_celery_results"]
SITE = {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(__file__).with_name("site.db")}
DATABASES = {"default": {**SITE, "OPTIONS": {"timeout": 30}}}
USE_TZ = True
"""


def test_djangos_async_orm_works_and_its_results_are_stored_in_it(project: Callable[..., Project]) -> None:
    pytest.importorskip("django")
    plan = PLAN.replace("imports =", 'results = "django-db"\nimports =')
    shop = project(plan=plan, tasks=DJANGO_TASKS)
    shop.write("site_settings.py", SETTINGS)
    shop.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"
    migrated = shop.run("python", "-m", "django", "migrate", "-v", "0", within=60)
    assert migrated.returncode == 0, migrated.stderr
    worker = shop.start_celeriac("worker", "web")
    worker.wait_for_log("ready.", within=60)
    for name in ("ann", "bob"):
        sent = shop.celeriac("send", "shop.count", name, "--wait", within=60)
        assert sent.returncode == 0, sent.stderr + worker.log
    assert sent.stdout.split()[-1] == "2"


CLIENT_TASKS = """\
import asyncio, os
import httpx
import redis.asyncio as redis
from celery import shared_task

@shared_task(name="shop.fetch")
async def fetch(url):
    async with httpx.AsyncClient() as client:
        replies = await asyncio.gather(*(client.get(url) for _ in range(5)))
    return [reply.status_code for reply in replies]

@shared_task(name="shop.push")
async def push(url):
    async with redis.from_url(url) as client:
        await asyncio.gather(*(client.incr("pushed") for _ in range(20)))
        return int(await client.get("pushed"))
"""


def test_httpx_and_async_redis_work(project: Callable[..., Project], redis_server: RedisServer) -> None:
    shop = project(plan=PLAN, tasks=CLIENT_TASKS)
    shop.start_celeriac("worker", "web").wait_for_log("ready.", within=60)
    server = shop.start("python", "-u", "-m", "http.server", "0", "--bind", "127.0.0.1")
    port = server.wait_for_log("Serving HTTP on").split(" port ")[1].split()[0]
    fetched = shop.celeriac(
        "send", "shop.fetch", json.dumps(f"http://127.0.0.1:{port}/"), "--wait", within=60
    )
    assert "[200, 200, 200, 200, 200]" in fetched.stdout, fetched.stderr
    pushed = shop.celeriac("send", "shop.push", json.dumps(redis_server.database(9)), "--wait", within=60)
    assert pushed.stdout.split()[-1] == "20", pushed.stderr
