"""The checklist of the site's background tasks: ten things that must hold, each tried on what runs."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from io import StringIO
from typing import TypeVar

from celeriac import Plan
from celeriac.control.letters import Letters
from celeriac.errors import redacted
from celeriac.records import LetterFilter
from celery import current_app
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from apps.main import tasks
from apps.main.models import Project, UserAction

Value = TypeVar("Value")
WITHIN_S = 60.0
QUEUES = {
    "send_notification": "high_priority",
    "process_user_action": "high_priority",
    "update_analytics": "default",
    "cleanup_temp_files": "default",
    "health_check": "default",
    "generate_reports": "low_priority",
    "backup_data": "low_priority",
}


class Missing(Exception):
    """Something on the list does not hold."""


class FellBack(Exception):
    """Something on the list holds by other means than the list says."""


def broker_answers() -> str:
    """Redis connection established."""
    current_app.connection_for_write().ensure_connection(max_retries=1, timeout=5)
    broker = redacted(_plan().broker)
    if not broker.startswith("redis"):
        raise FellBack(f"no Redis; fell back to {broker}")
    return broker


def workers_run() -> str:
    """Celery workers start successfully."""

    def names() -> list[str]:
        found = sorted(name for reply in current_app.control.ping(timeout=1.0) for name in reply)
        pools = {name.partition("@")[0].rpartition("-")[0] for name in found}
        return found if pools >= set(_plan().pools) else []

    return ", ".join(_wait(names, "not every pool has a worker: python start_celery_services.py"))


def beat_sends() -> str:
    """Beat scheduler creates periodic tasks."""
    second, _ = IntervalSchedule.objects.get_or_create(every=1, period=IntervalSchedule.SECONDS)
    name = f"checklist {os.getpid()}"
    PeriodicTask.objects.create(
        name=name,
        task=tasks.health_check.name,
        interval=second,
        one_off=True,
        description="test_celery_setup.py",
    )
    try:
        _wait(lambda: PeriodicTask.objects.get(name=name).last_run_at, "beat does not send it")
    finally:
        PeriodicTask.objects.filter(name=name).delete()
    return f"{PeriodicTask.objects.filter(enabled=True).count()} in the admin; one made just now was sent"


def flower_answers() -> str:
    """Flower monitoring accessible."""
    flower = _plan().flower
    if flower is None:
        raise Missing("the plan has no [flower]")
    url = f"http://{flower.address}/{flower.url_prefix}".rstrip("/")
    _wait(
        lambda: _answers(f"{url}/healthcheck"), f"nothing answers at {url}: python start_celery_services.py"
    )
    return url


def tasks_run_elsewhere() -> str:
    """Tasks execute asynchronously."""
    began = time.monotonic()
    result = tasks.update_analytics.delay()
    handed_over_s = time.monotonic() - began
    result.get(timeout=WITHIN_S)
    return (
        f"handed over in {handed_over_s * 1000:.0f} ms, done after {(time.monotonic() - began) * 1000:.0f} ms"
    )


def retries_work() -> str:
    """Task retry logic functions correctly."""
    project = Project.objects.first()
    if project is None:
        raise Missing("there is no project to act on: add one in the admin")
    action = UserAction.objects.create(kind=UserAction.Kind.UNLIKE, visitor="checklist", project=project)
    key = action.pk
    action.delete()
    result = tasks.process_user_action.delay(key)
    try:
        _wait(lambda: result.state == "RETRY", "a failing task was not retried")
        error = type(result.result).__name__
    finally:
        # Now it is there, and the retry will go well.
        action.pk = key
        action.save(force_insert=True)
    return f"{error}: will be tried again, and go well"


def routes_hold() -> str:
    """Queue routing works as configured."""
    for name, queue in QUEUES.items():
        routed = current_app.amqp.router.route({}, getattr(tasks, name).name)["queue"].name
        if routed != queue:
            raise Missing(f"{name} goes to {routed}, not to {queue}")
    read = {
        queue["name"]
        for each in (current_app.control.inspect().active_queues() or {}).values()
        for queue in each
    }
    if unread := set(QUEUES.values()) - read:
        raise Missing(f"nobody reads {', '.join(sorted(unread))}")
    return ", ".join(sorted(read))


def failures_are_kept() -> str:
    """Error handling and logging operational."""
    result = tasks.generate_reports.delay(["nonsense"])
    _wait(lambda: result.state == "FAILURE", "a task that must fail did not")
    letters = Letters(_plan(), lambda: current_app)
    ids: list[str] = []

    def letter() -> list[str]:
        ids[:] = letters.matching(LetterFilter(task_id=result.id))
        return ids

    _wait(letter, "no letter of it was recorded")
    letters.discard(ids)
    letters.close()
    log = settings.BASE_DIR / "logs/errors.log"
    _wait(lambda: log.exists() and result.id in log.read_text(), f"{log} says nothing of it")
    return f"in {log.relative_to(settings.BASE_DIR)}, and kept as letter {ids[0][:8]}; discarded now"


def commands_work() -> str:
    """Management commands functional."""
    call_command("test_celery", task="notification", timeout=WITHIN_S, stdout=StringIO())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    flower = subprocess.Popen(
        [sys.executable, "manage.py", "start_flower", f"--port={port}"],
        cwd=settings.BASE_DIR,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(
            lambda: _answers(f"http://127.0.0.1:{port}/healthcheck"), "manage.py start_flower does not answer"
        )
    finally:
        flower.send_signal(signal.SIGTERM)
        flower.wait(WITHIN_S)
    return "test_celery and start_flower do what they say"


def migrations_applied() -> str:
    """Database migrations applied."""
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        raise Missing(f"{len(waiting)} are not: python manage.py migrate")
    return f"{len(executor.loader.applied_migrations)} in {connection.display_name}"


#: in this order, each worded by the first line of its docstring
ITEMS: tuple[Callable[[], str], ...] = (
    broker_answers,
    workers_run,
    beat_sends,
    flower_answers,
    tasks_run_elsewhere,
    retries_work,
    routes_hold,
    failures_are_kept,
    commands_work,
    migrations_applied,
)


def _plan() -> Plan:
    """Give the plan with the broker that was chosen, which is known once the app is configured."""
    assert current_app.conf.broker_url
    plan: Plan = current_app.celeriac.plan
    return plan


def _wait(condition: Callable[[], Value], missing: str) -> Value:
    deadline = time.monotonic() + WITHIN_S
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise Missing(missing)
        time.sleep(0.1)
    return found


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        return error.code == 401  # it is there, and wants a password
    except OSError:
        return False
