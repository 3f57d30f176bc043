"""A whole plan on a real RabbitMQ and a real Redis: beats, metrics, health, the history of runs, a breaker."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from servers.project import Project, Running
from servers.redis_server import free_port

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
broker = "{broker}"
results = "{results}"

[queues.default]
max_wait = "5s"
[queues.parked]

[pools.web]
queues = ["default"]
executor = "prefork"
concurrency = 2
[pools.nobody]
queues = ["parked"]
replicas = 0

[tasks."shop.park"]
queue = "parked"
[tasks."shop.fragile"]
retry = {{ limit = 1, backoff = "10ms", jitter = false }}
[tasks."shop.call"]
breaker = {{ name = "service", failures = 2, cool_down = "5m" }}

[schedules.tick]
task = "shop.tick"
every = "1s"
catch_up = "all"

[beat]
replicas = 2
lease = "2s"
[records]
arguments = "full"
[metrics]
address = "127.0.0.1:{port}"
"""

TASKS = """\
from pathlib import Path
from celery import shared_task

@shared_task(name="shop.add")
def add(x, y):
    return x + y

@shared_task(name="shop.park")
def park():
    pass

@shared_task(name="shop.fragile")
def fragile():
    raise ValueError("no such order.")

@shared_task(name="shop.call")
def call():
    if not Path("service is up").exists():
        raise ConnectionError("the service is down")
    return "fine"

@shared_task(name="shop.tick", bind=True)
def tick(self):
    with open("ticks", "a") as ticks:
        ticks.write(f"{self.request.headers['celeriac-slot']}\\n")
"""

#: S1.13, S3.12, S4.16
CELERY_NAMES = (
    "celery_task_submissions_total{task_name=",
    "celery_task_completions_total{task_name=",
    "celery_task_failures_total{task_name=",
    "celery_task_retries_total{task_name=",
    "celery_task_duration_seconds_bucket{",
    'celery_tasks_total{status="success"}',
    'celery_tasks_processed_total{status="success",task_name=',
)


class Shop:
    """A running `celeriac up` on a broker of its own."""

    def __init__(self, project: Project, broker: str, port: int) -> None:
        self.project = project
        self.broker = broker
        self._port = port
        self.up: Running = project.start_celeriac("up")
        self.up.wait_for_log("ready:", within=60)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, sample: str) -> float | None:
        """The value of one sample, written as Prometheus's text does; None if there is none."""
        lines = [line for line in self.get("/metrics")[1].splitlines() if line.startswith(f"{sample} ")]
        return float(lines[0].rpartition(" ")[2]) if lines else None

    def send(self, task: str, *arguments: str) -> str:
        sent = self.project.celeriac("send", task, *arguments)
        assert sent.returncode == 0, sent.stderr
        return sent.stdout.strip()

    def json(self, *arguments: str) -> object:
        done = self.project.celeriac(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def ticks(self) -> list[str]:
        file = self.project.folder / "ticks"
        return file.read_text().split() if file.exists() else []


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    if request.param == "redis":
        server = request.getfixturevalue("redis_server")
        broker, results = server.database(12), server.database(13)
    else:
        broker = request.getfixturevalue("rabbitmq_server").new_vhost()
        results = "sqlite:///.celeriac/results.db"
    port = free_port()
    plan = PLAN.format(broker=broker, results=results, port=port)
    project = Project(tmp_path_factory.mktemp("whole") / "shop", plan=plan, tasks=TASKS, environ={})
    try:
        yield Shop(project, request.param, port)
    finally:
        project.close()


def test_each_slot_of_a_schedule_fires_once_though_two_beats_run_and_the_leader_is_killed(
    shop: Shop, eventually: Callable[..., object]
) -> None:
    eventually(lambda: len(shop.ticks()) >= 3, within=60)
    leaders = [line.split()[0] for line in shop.up.log.splitlines() if "leads the schedules now" in line]
    assert len(leaders) == 1, "one of the two leads"
    state = json.loads((shop.project.folder / ".celeriac" / "up.json").read_text())
    (pid,) = [each["pid"] for each in state["processes"] if each["name"] == leaders[0]]

    os.kill(pid, signal.SIGKILL)
    killed_at = time.time()
    eventually(lambda: any(float(slot) > killed_at + 3 for slot in shop.ticks()), within=60)
    assert shop.up.log.count("leads the schedules now") >= 2
    slots = sorted(map(float, shop.ticks()))
    assert len(slots) == len(set(slots)), "none fired twice"
    assert slots == [slots[0] + number for number in range(len(slots))], "none was missed"


def test_a_scrape_tells_of_queues_workers_tasks_schedules_and_letters(
    shop: Shop, eventually: Callable[..., object]
) -> None:
    for _ in range(3):
        shop.send("shop.park")
    shop.send("shop.add", "1", "2")
    shop.send("shop.fragile")

    def told() -> bool:
        for sample, value in {
            "celeriac_broker_up": 1,
            'celeriac_queue_messages{queue="parked",state="ready"}': 3,
            'celeriac_queue_messages{queue="default",state="ready"}': 0,
            'celeriac_queue_max_wait_seconds{queue="default"}': 5,
            'celeriac_task_submissions_total{queue="parked",task="shop.park"}': 3,
            'celeriac_task_completions_total{task="shop.add"}': 1,
            'celeriac_task_failures_total{task="shop.fragile"}': 1,
            'celeriac_task_retries_total{task="shop.fragile"}': 1,
            'celeriac_letters_written_total{reason="failed"}': 1,
            'celeriac_letters{queue="default"}': 1,
        }.items():
            assert shop.metric(sample) == value, sample
        return True

    eventually(told, within=60, every=0.2)
    text = shop.get("/metrics")[1]
    for name in CELERY_NAMES:
        assert f"\n{name}" in text, name
    for name in ("celeriac_worker_up", "celeriac_worker_slots", "celeriac_worker_busy_slots"):
        assert f'\n{name}{{worker="web-1@' in text, name
    assert shop.metric('celeriac_schedule_lag_seconds{schedule="tick"}') is not None
    assert shop.metric('celeriac_task_wait_seconds_count{queue="default"}') is not None
    if shop.broker == "rabbitmq":
        assert shop.metric('celeriac_queue_consumers{queue="default"}') == 1
        assert shop.metric('celeriac_queue_consumers{queue="parked"}') == 0
    else:
        oldest = shop.metric('celeriac_queue_oldest_age_seconds{queue="parked"}')
        assert oldest is not None and 0 < oldest < 120


def test_health_is_answered_over_http_and_by_the_probe(shop: Shop, eventually: Callable[..., object]) -> None:
    assert shop.get("/health/live")[0] == 200
    assert shop.get("/health/ready") == (200, '{"ready":true,"reasons":[]}')
    status, body = shop.get("/health/celery")
    assert (status, json.loads(body)["workers"], json.loads(body)["healthy"]) == (200, 1, True)
    assert shop.project.celeriac("probe").returncode == 0


def test_runs_are_on_record_and_why_says_what_became_of_a_task(
    shop: Shop, eventually: Callable[..., object]
) -> None:
    fine, broken = shop.send("shop.add", "2", "3"), shop.send("shop.fragile")

    def found(task_id: str, state: str) -> dict[str, object]:
        runs = shop.json("runs", "--task", "shop.*", "--limit", "1000")
        assert isinstance(runs, list)
        (run,) = [each for each in runs if each["task_id"] == task_id]
        assert run["state"] == state
        return dict(run)

    run = eventually(lambda: found(fine, "succeeded"), within=60, every=0.3)
    assert isinstance(run, dict)
    assert (run["queue"], run["attempts"], run["parent_id"]) == ("default", 1, None)
    assert str(run["worker"]).startswith("web-1@")
    dead = eventually(lambda: found(broken, "dead"), within=60, every=0.3)
    assert isinstance(dead, dict)
    assert (dead["attempts"], dead["error"]) == (2, "ValueError('no such order.')")

    def why(task_id: str) -> str:
        return shop.project.celeriac("why", task_id).stdout

    assert "It succeeded" in why(fine)
    eventually(lambda: "is dead because it failed 2 times" in why(broken), within=60, every=0.3)
    (letter,) = [each for each in shop.json("dead", "list") if each["task_id"] == broken]  # type: ignore[attr-defined]
    assert letter["parent_id"] is None, "a task is not its own parent"


def test_a_breaker_keeps_tasks_waiting_until_it_is_closed(
    shop: Shop, eventually: Callable[..., object]
) -> None:
    for _ in range(2):
        shop.send("shop.call")
    shop.up.wait_for_log("breaker service is open", within=60)
    waiting = shop.send("shop.call")
    shop.up.wait_for_log(f"shop.call[{waiting}] waits at the broker", within=60)
    (seen,) = shop.json("breakers")["breakers"]  # type: ignore[call-overload,index]
    assert (seen["name"], seen["state"]) == ("service", "open")
    # Workers of all machines share it where the broker is a Redis; elsewhere that is a file of this one.
    is_said = "PLAN-073" in shop.project.celeriac("check").stderr
    assert is_said == (shop.broker == "rabbitmq")
    shared = shop.project.folder / ".celeriac" / "records.db"
    with sqlite3.connect(shared) as db:
        assert _has_breaker(db) == (shop.broker == "rabbitmq")
    (shop.project.folder / "service is up").touch()
    assert shop.project.celeriac("breakers", "--reset", "service").returncode == 0
    done = shop.project.celeriac("send", "shop.call", "--wait", "30")
    assert done.stdout == "fine\n", done.stderr


def _has_breaker(db: sqlite3.Connection) -> bool:
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return "celeriac_coordination" in tables


def test_a_stop_drains_beats_workers_and_services(shop: Shop) -> None:
    assert shop.up.stop(within=60) == 0, shop.up.log
