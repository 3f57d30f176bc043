"""The ETL worker, driven as its README says: on a real Redis and PostgreSQL, on RabbitMQ, and with no server at all."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
import pytest

from celeriac.scaffold import Answers, generate
from servers.example import Example
from servers.project import SOURCE, Project, Running
from servers.redis_server import free_port
from servers.sqs_server import SqsServer
from servers.waiting import eventually

if TYPE_CHECKING:
    from servers.browser import Browser

NAME = "worker-celery-etl"
WITHIN_S = 90.0
TASKS = "src.tasks.etl_tasks"
ROWS = [{"category": "A", "value": 1.0, "count": 1}]


class Etl(Example):
    """A copy of the example."""

    def celeriac_json(self, *command: str) -> Any:
        done = self.celeriac(*command, "--json", within=WITHIN_S)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def python(self, code: str) -> str:
        """Run code as somebody who uses the project would, and give what it printed."""
        done = self.run("python", "-c", code, within=WITHIN_S)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def metrics(self) -> str:
        url = f"http://{self.environ['METRICS_ADDRESS']}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())


@pytest.fixture(scope="module")
def new_etl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Etl]]:
    """Make a copy of the example, on ports of its own: `new_etl(CELERY_BROKER_URL=…)`."""
    made: list[Etl] = []

    def make(**environ: str) -> Etl:
        folder = tmp_path_factory.mktemp("etl") / NAME
        ports = {f"{each}_ADDRESS": f"127.0.0.1:{free_port()}" for each in ("METRICS", "FLOWER")}
        made.append(Etl(NAME, folder, ports | environ))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(scope="module")
def on_redis(new_etl: Callable[..., Etl], redis_server: Any, postgres_server: Any) -> Etl:
    """The example on Redis, with its warehouse, its letters and its history in PostgreSQL."""
    redis_server.flush()
    return new_etl(
        CELERY_BROKER_URL=redis_server.database(4),
        CELERY_RESULT_BACKEND=redis_server.database(5),
        DATABASE_URL=postgres_server.new_database(),
        STATE_URL=postgres_server.new_database(),
    )


@pytest.fixture(scope="module")
def running(on_redis: Etl) -> Iterator[Running]:
    """`make up`."""
    up = on_redis.start_make("up")
    up.wait_for_log("ready: 8 running", within=WITHIN_S)
    yield up
    stop(on_redis, up)


def stop(etl: Etl, up: Running) -> None:
    """Ask `celeriac up` to stop; make ends with it, and says how."""
    os.kill(etl.celeriac_json("status")["up"]["pid"], signal.SIGTERM)
    assert up.wait(within=WITHIN_S) == 0, up.log


def assert_demo_shows_everything(said: str) -> None:
    for words in (
        "5 categories are in the warehouse",
        "one after the other gives the same",
        "30 users, 144 orders, 9029.99 spent",
        "a map and chunks give the same users",
        "178 wines classified",
        "has no column category",
        "Replayed 1 letter",
        "the rest of its chain ran too",
        "category,value,count",
    ):
        assert words in said
    # How far it has come is looked at while it trains, so the last of it may be missed.
    assert re.search(r"\d0 of 100 trees", said)
    accuracy = re.search(r"right on ([\d.]+)% of 54 wines", said)
    assert accuracy and float(accuracy[1]) > 90


def test_the_demo_runs_on_redis_and_postgres(on_redis: Etl) -> None:
    done = on_redis.make("demo", within=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_demo_shows_everything(done.stdout)
    with psycopg.connect(on_redis.environ["DATABASE_URL"]) as warehouse:
        # The sample, and the mended file.
        assert warehouse.execute("SELECT count(DISTINCT batch) FROM sales").fetchone() == (2,)
    with psycopg.connect(on_redis.environ["STATE_URL"]) as records:
        assert records.execute("SELECT count(*) FROM letters").fetchone() == (1,)


def test_the_demo_runs_on_rabbitmq(new_etl: Callable[..., Etl], rabbitmq_server: Any) -> None:
    etl = new_etl(CELERY_BROKER_URL=rabbitmq_server.url)
    done = etl.make("demo", within=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_demo_shows_everything(done.stdout)


def test_its_own_tests_pass(new_etl: Callable[..., Etl]) -> None:
    done = new_etl().make("test", within=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "27 passed" in done.stdout


def test_the_plan_declares_the_queues_the_workers_and_the_schedules(on_redis: Etl, running: Running) -> None:
    shown = on_redis.celeriac("queues", within=WITHIN_S).stdout
    for queue in ("default", "etl", "ml"):
        assert re.search(rf"^{queue} ", shown, re.MULTILINE), shown
    listed = on_redis.celeriac("schedule", "list", within=WITHIN_S).stdout
    for schedule in ("daily-report", "hourly-sync", "weekly-cleanup"):
        assert schedule in listed
    assert " 09:00" in on_redis.celeriac("schedule", "next", "daily-report", within=WITHIN_S).stdout
    consumers = on_redis.run(
        "celery", "-A", "src.celery_app", "inspect", "active_queues", within=WITHIN_S
    ).stdout
    for worker in ("default-1@", "etl-1@", "ml-1@"):
        assert worker in consumers


def test_a_schedule_sent_now_writes_its_report(on_redis: Etl, running: Running) -> None:
    before = {path.name for path in (on_redis.folder / "reports").glob("*")}
    done = on_redis.celeriac("schedule", "run", "daily-report", within=WITHIN_S)
    assert done.returncode == 0, done.stderr
    eventually(lambda: {p.name for p in (on_redis.folder / "reports").glob("*")} - before, within=WITHIN_S)


def test_a_failed_task_is_seen_in_flower_and_brought_back_by_its_letter(
    on_redis: Etl, running: Running, browser: Browser
) -> None:
    source = on_redis.write("prices.csv", "date,kategory,value,count\n2026-01-01,pens,3.0,2\n")
    code = f"from src.workflows.data_pipeline import *; print(run_etl_pipeline({str(source)!r}, 'prices'))"
    last = on_redis.python(code)
    find = ("dead", "list", "--task", f"{TASKS}.extract_data")
    [letter] = eventually(lambda: on_redis.celeriac_json(*find), within=WITHIN_S)
    assert letter["message"] == f"{source} has no column category"

    page = browser.open(f"http://{on_redis.environ['FLOWER_ADDRESS']}/task/{letter['task_id']}")
    assert "FAILURE" in page.inner_text("body")
    assert "has no column category" in page.inner_text("body")

    source.write_text(source.read_text().replace("kategory", "category"))
    assert on_redis.celeriac("dead", "replay", letter["id"], within=WITHIN_S).returncode == 0
    loaded = on_redis.python(
        f"from src.celery_app import app; print(app.AsyncResult({last!r}).get(timeout=60))"
    )
    assert loaded == "{'rows_loaded': 1}"
    eventually(lambda: page.reload() and "SUCCESS" in page.inner_text("body"), within=WITHIN_S)


def test_prometheus_finds_runs_by_task_and_status(on_redis: Etl, running: Running) -> None:
    on_redis.python(f"from {TASKS} import *; process_chunk.delay(1, {ROWS}).get(timeout=60)")
    wanted = rf'celery_tasks_processed_total{{.*task_name="{TASKS}.process_chunk".*}} [1-9]'
    page = eventually(lambda: re.search(wanted, on_redis.metrics()) and on_redis.metrics(), within=WITHIN_S)
    assert 'status="success"' in page
    assert f'celery_task_duration_seconds_bucket{{le="+Inf",task_name="{TASKS}.process_chunk"}}' in page
    assert f"{TASKS}.process_chunk" in on_redis.make("metrics").stdout


def test_an_api_that_is_down_opens_its_breaker_and_its_tasks_wait(on_redis: Etl, running: Running) -> None:
    # Nobody listens at the default USERS_API_URL.
    on_redis.python(f"from {TASKS} import *; [fetch_user_data.delay(n) for n in range(1, 6)]")
    eventually(
        lambda: "open" in on_redis.celeriac("breakers", within=WITHIN_S).stdout,
        within=WITHIN_S,
    )
    assert on_redis.celeriac_json("dead", "list", "--task", f"{TASKS}.fetch_user_data") == []


def test_a_killed_worker_loses_no_file_and_loads_none_twice(new_etl: Callable[..., Etl]) -> None:
    etl = new_etl()
    for number in range(30):
        etl.write(
            f"data/incoming/{number}.csv", f"category,value,count\nA,{number}.0,1\n" + "B,1.0,1\n" * 2000
        )
    up = etl.start_make("up")
    up.wait_for_log("ready: 8 running", within=WITHIN_S)
    etl.python("from src.tasks.sync_tasks import sync_data; sync_data.delay().get(timeout=60)")
    [worker] = [it for it in etl.celeriac_json("status")["up"]["processes"] if it["name"] == "etl-1"]
    family = [psutil.Process(worker["pid"]), *psutil.Process(worker["pid"]).children(recursive=True)]
    for process in reversed(family):
        process.send_signal(signal.SIGKILL)
    counted = "from src import warehouse; print(sum(row['count'] for row in warehouse.totals('sales')))"
    eventually(lambda: etl.python(counted) == str(30 * 2001), within=WITHIN_S, every=1.0)
    assert "killed by SIGKILL" in up.log
    assert etl.celeriac_json("dead", "list") == []
    stop(etl, up)


def test_each_worker_beat_and_flower_start_by_themselves(on_redis: Etl, running: Running) -> None:
    """On another host, say: the same plan, one process at a time."""
    elsewhere = {"FLOWER_ADDRESS": f"127.0.0.1:{free_port()}"}
    started = {
        "worker-default": "ready",
        "worker-etl": "ready",
        "worker-ml": "ready",
        "beat": "beat",
        "flower": "Connected to",
    }
    processes = {target: on_redis.start_make(target, **elsewhere) for target in started}
    for target, words in started.items():
        processes[target].wait_for_log(words, within=WITHIN_S)
    for process in processes.values():
        process.signal_group(signal.SIGTERM)
    for process in processes.values():
        process.wait(within=WITHIN_S)


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_a_report_overtakes_what_waits_and_one_that_comes_too_late_is_not_made(
    broker: str, new_etl: Callable[..., Etl], request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue(f"{broker}_server")
    url = server.database(6) if broker == "redis" else server.new_vhost()
    results = request.getfixturevalue("redis_server").database(7)
    etl = new_etl(CELERY_BROKER_URL=url, CELERY_RESULT_BACKEND=results, CELERY_CONCURRENCY="1")
    late, last = etl.python(
        "from src.tasks.cleanup_tasks import cleanup_old_data as clean\n"
        "from src.tasks.report_tasks import generate_daily_report as report\n"
        "[clean.delay() for _ in range(12)]\n"
        "late = report.apply_async(expires=0.01)\n"
        "print(late.id, report.delay().id)"
    ).split()
    worker = etl.start_make("worker-default")
    eventually(lambda: len(re.findall(r"cleanup_old_data\[\S+ succeeded", worker.log)) == 12, within=WITHIN_S)
    ended = [line for line in worker.log.splitlines() if " succeeded in " in line]
    # It came last; a task or two may have been fetched before it was looked at.
    assert next(n for n, line in enumerate(ended) if "generate_daily_report[" in line) <= 2, ended
    assert len(ended) == 13
    # A message past its time is dropped by the broker, or discarded by the worker.
    assert f"{late}] succeeded" not in worker.log
    assert f"{last}] succeeded" in worker.log
    worker.signal_group(signal.SIGTERM)
    worker.wait(within=WITHIN_S)


def test_celery_itself_runs_a_worker_of_a_queue(new_etl: Callable[..., Etl]) -> None:
    etl = new_etl()
    worker = etl.start_celery(
        "-A", "src.celery_app", "worker", "-Q", "etl", "--autoscale=10,3", "--loglevel=info"
    )
    worker.wait_for_log("ready", within=WITHIN_S)
    code = f"from {TASKS} import *; print(process_chunk.delay(1, {ROWS}).get(timeout=60)['processed'])"
    assert etl.python(code) == "1"
    worker.stop(within=WITHIN_S)


def test_help_lists_what_make_can_do(new_etl: Callable[..., Etl]) -> None:
    said = new_etl().make("help").stdout
    for target in ("demo", "up", "test", "check", "beat", "flower", "metrics", "letters"):
        assert re.search(rf"^  make {target} ", said, re.MULTILINE), target


def test_the_demo_of_a_project_for_sqs_runs(tmp_path: Path, sqs_server: SqsServer) -> None:
    """With what the template says otherwise for SQS: no `processes`, no priorities, no Flower."""
    environ = {"CELERY_BROKER_URL": sqs_server.url, "METRICS_ADDRESS": f"127.0.0.1:{free_port()}"}
    project = Project(tmp_path / "worker-celery-sales", environ=environ)
    project.environ["PYTHONPATH"] = str(SOURCE)
    generate(project.folder, Answers(name="worker-celery-sales", template="etl", broker="sqs"))
    try:
        done = project.run("make", f"PYTHON={sys.executable}", "demo", within=300)
    finally:
        project.close()
    assert done.returncode == 0, done.stdout + done.stderr
    assert_demo_shows_everything(done.stdout)
