"""Django's tasks on a real worker: its own from Django 6 on, else their backport."""

from __future__ import annotations

import sys

import django

from servers.django_site import PLAN, DjangoSite

FRAMEWORK = "django.tasks" if django.VERSION >= (6, 0) else "django_tasks"
#: the backport is an app of the site
APP = 'INSTALLED_APPS += ["django_tasks"]' if FRAMEWORK == "django_tasks" else ""
SETTINGS = (
    APP
    + """
TASKS = {
    "default": {
        "BACKEND": "celeriac.integrations.django.tasks.CeleriacBackend",
        "QUEUES": ["default", "low"],
    }
}
"""
)

JOBS = (
    f"""
from {FRAMEWORK} import task
from {FRAMEWORK}.signals import task_finished, task_started
"""
    + """


def note(kind):
    def write(task_result, **_):
        with open("signals.txt", "a") as file:
            file.write(f"{kind} {task_result.task.name} {task_result.status}\\n")
    return write


task_started.connect(started := note("started"))
task_finished.connect(finished := note("finished"))


@task()
def greet(name):
    return {"greeting": f"hello {name}"}


@task(takes_context=True, queue_name="low")
def attempt(context):
    if context.attempt < 2:
        raise ConnectionError("not yet")
    return context.attempt


@task(priority=50)
async def later(x):
    return x * 2


@task()
def broken():
    raise LookupError("nothing here")
"""
)

WAIT = """
import asyncio
import time
from datetime import timedelta
from django.utils import timezone
from shop import tasks

def wait(result):
    deadline = time.monotonic() + 20
    while not result.is_finished and time.monotonic() < deadline:
        time.sleep(0.02)
        result.refresh()
    return result
"""


def make(project, settings=SETTINGS):
    plan = PLAN + '\n[tasks."shop.tasks.broken"]\nqueue = "low"\n'
    plan += '[tasks."shop.tasks.attempt"]\nretry = { limit = 2, backoff = "10ms" }\n'
    site = DjangoSite(project(plan=plan), settings)
    site.project.write("shop/tasks.py", JOBS)
    return site


def test_django_tasks_run_on_workers_and_tell_their_results(project, eventually):
    site = make(project)
    before = site.ask(
        WAIT
        + f"""
from {FRAMEWORK} import task_backends
from {FRAMEWORK}.exceptions import TaskResultDoesNotExist
"""
        + """
waiting = tasks.greet.enqueue("early")
held = tasks.greet.get_result(waiting.id)
try:
    tasks.greet.get_result("no such id")
    gone = False
except TaskResultDoesNotExist:
    gone = True
backend = task_backends["default"]
answer = [waiting.status, held.status, held.args, held.attempts, gone,
          [getattr(backend, f"supports_{each}") for each in ("defer", "async_task", "get_result", "priority")]]
"""
    )
    assert before == ["READY", "READY", ["early"], 0, True, [True] * 4]

    worker = site.project.start(sys.executable, "manage.py", "celeriac", "worker", "web")
    worker.wait_for_log("ready.")
    ran = site.ask(
        WAIT
        + """
answer = {}
greeted = wait(tasks.greet.enqueue("you"))
answer["greeted"] = [greeted.return_value, greeted.status, greeted.attempts, greeted.kwargs]
answer["times"] = greeted.enqueued_at <= greeted.started_at <= greeted.finished_at
tried = wait(tasks.attempt.enqueue())
answer["tried"] = [tried.return_value, tried.attempts, tried.task.queue_name]
failed = wait(tasks.broken.enqueue())
error = failed.errors[0]
answer["failed"] = [failed.status, error.exception_class.__name__, "nothing here" in error.traceback]
async def asynchronous():
    sent = await tasks.later.aenqueue(21)
    while not sent.is_finished:
        await asyncio.sleep(0.02)
        await sent.arefresh()
    return [sent.return_value, sent.task.priority, (await tasks.later.aget_result(sent.id)).id == sent.id]
answer["async"] = asyncio.run(asynchronous())
began = timezone.now()
deferred = wait(tasks.greet.using(run_after=began + timedelta(seconds=1)).enqueue("late"))
answer["deferred"] = deferred.started_at >= began + timedelta(seconds=1)
""",
        within=90,
    )
    assert ran == {
        "greeted": [{"greeting": "hello you"}, "SUCCESSFUL", 1, {}],
        "times": True,
        "tried": [2, 2, "low"],
        "failed": ["FAILED", "LookupError", True],
        "async": [42, 50, True],
        "deferred": True,
    }
    signals = (site.folder / "signals.txt").read_text().splitlines()
    assert signals.count("started attempt RUNNING") == 2
    assert signals.count("finished attempt SUCCESSFUL") == 1
    assert signals.count("finished broken FAILED") == 1
    eventually(lambda: "became letter" in worker.log)
    assert worker.stop() == 0


def test_queues_and_priorities_that_cannot_be_kept_are_refused(project):
    site = make(project, SETTINGS.replace('"low"', '"low", "nowhere"'))
    checked = site.manage("check")
    assert checked.returncode == 1
    assert "(celeriac.WEB-011)" in checked.stderr
    site.project.environ["CELERY_BROKER_URL"] = "redis://127.0.0.1:1/0"
    refused = site.project.run(sys.executable, "-c", "import django; django.setup(); import shop.tasks")
    assert "does not support setting priority" in refused.stderr


def test_priorities_keep_their_order():
    from celeriac.integrations.django.enqueueing import celery_priority

    ranked = [celery_priority(each) for each in range(-100, 101)]
    assert ranked == sorted(ranked)
    assert (ranked[0], ranked[100], ranked[-1]) == (0, 4, 9)
    assert celery_priority(50) > celery_priority(0) > celery_priority(-50)
