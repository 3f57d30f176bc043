"""Metrics under a real Prometheus: what it reads equals what was done, whatever was killed or recycled meanwhile."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from servers.project import Project
from servers.prometheus_server import PrometheusServer
from servers.redis_server import free_port

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
broker = "{broker}"

[queues.default]
max_wait = "2s"
[queues.held]

[pools.web]
queues = ["default"]
executor = "prefork"
concurrency = 2
max_tasks_per_child = 7
replicas = 2

[pools.slow]
queues = ["held"]
executor = "prefork"
concurrency = 1
time_limit = "30s"

[tasks."shop.flaky"]
retry = {{ limit = 2, backoff = "10ms", jitter = false }}
[tasks."shop.hold"]
queue = "held"
[tasks."shop.stuck"]
queue = "held"
time_limit = "1s"

[metrics]
address = "127.0.0.1:{port}"
"""

EMBEDDED = "sqlite:///.celeriac/broker.db"

TASKS = """\
import os, signal, time
from pathlib import Path
from celery import shared_task

@shared_task(name="shop.add")
def add(x, y):
    return x + y

@shared_task(name="shop.fail")
def fail():
    raise ValueError("no")

@shared_task(name="shop.flaky", bind=True)
def flaky(self):
    if self.request.retries < 2:
        raise OSError("not yet")

@shared_task(name="shop.kill_slot_once")
def kill_slot_once(name):
    try:
        Path(name).touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)

@shared_task(name="shop.hold")
def hold():
    with open("held", "a") as held:
        held.write("x")
    while not Path("go on").exists():
        time.sleep(0.02)

@shared_task(name="shop.stuck")
def stuck():
    time.sleep(60)
"""

SEND = """\
import sys
from celeriac import create_app
app = create_app("celeriac.toml")
app.loader.import_default_modules()
for line in sys.argv[1:]:
    name, count = line.split("=")
    for number in range(int(count)):
        args = {"shop.add": (number, 1), "shop.kill_slot_once": (f"killed-{number}",)}.get(name, ())
        app.send_task(name, args)
"""

NO_ARGUMENTS = '[[], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'

CELERY_NAMES = (
    "celery_task_submissions_total",
    "celery_task_completions_total",
    "celery_task_failures_total",
    "celery_task_retries_total",
    "celery_task_duration_seconds_bucket",
    "celery_tasks_total",
    "celery_tasks_processed_total",
)


def get(port: int, path: str) -> tuple[int, str]:
    """GET a page of the metrics server: status and body."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def send(project: Project, *counts: str) -> None:
    sent = project.run("python", "-c", SEND, *counts)
    assert sent.returncode == 0, sent.stderr


def kill_worker(project: Project, name: str) -> None:
    """Kill -9 a worker of a running `up`, with its slots."""
    state = json.loads((project.folder / ".celeriac" / "up.json").read_text())
    (worker,) = [each for each in state["processes"] if each["name"] == name]
    os.killpg(worker["pid"], signal.SIGKILL)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", ["embedded", "redis"])
def test_prometheus_reads_exactly_what_was_done(
    project: Callable[..., Project],
    prometheus: Callable[..., PrometheusServer],
    request: pytest.FixtureRequest,
    eventually: Callable[..., object],
    kind: str,
) -> None:
    port = free_port()
    broker = EMBEDDED if kind == "embedded" else request.getfixturevalue("redis_server").database(11)
    shop = project(plan=PLAN.format(port=port, broker=broker), tasks=TASKS)
    server = prometheus(f"127.0.0.1:{port}")
    up = shop.start_celeriac("up")
    up.wait_for_log("ready:", within=60)

    def reads(promql: str, wanted: float) -> None:
        def equal() -> bool:
            value = server.value(promql)
            assert value == wanted, f"{promql} is {value}, not {wanted}"
            return True

        eventually(equal, within=60, every=0.1)

    # Slots are recycled after 7 tasks, a dozen times; two kill themselves in the middle of a task.
    send(shop, "shop.add=100", "shop.fail=5", "shop.flaky=4", "shop.kill_slot_once=2", "shop.stuck=1")
    # A whole worker is killed -9 while it runs a task, and started again.
    send(shop, "shop.hold=1")
    eventually((shop.folder / "held").exists, within=60)
    kill_worker(shop, "slow-1")
    # Its task runs again when its lease has lapsed.
    eventually(lambda: (shop.folder / "held").read_text() == "xx", within=60)
    (shop.folder / "go on").touch()

    for promql, wanted in {
        'celeriac_task_submissions_total{task="shop.add",queue="default"}': 100,
        'celeriac_task_submissions_total{task="shop.flaky"}': 4,
        "sum(celeriac_task_submissions_total)": 113,
        'celeriac_task_completions_total{task="shop.add"}': 100,
        'celeriac_task_completions_total{task="shop.flaky"}': 4,
        'celeriac_task_completions_total{task="shop.kill_slot_once"}': 2,
        "sum(celeriac_task_completions_total)": 107,
        'celeriac_task_failures_total{task="shop.fail"}': 5,
        'celeriac_task_failures_total{task="shop.stuck"}': 1,
        "sum(celeriac_task_failures_total)": 6,
        'celeriac_task_retries_total{task="shop.flaky"}': 8,
        'celeriac_task_run_seconds_count{task="shop.add"}': 100,
        'celeriac_task_run_seconds_bucket{task="shop.add",le="+Inf"}': 100,
        'celeriac_task_run_seconds_count{task="shop.flaky"}': 12,
        # 100 + 5 + 4 + 8 retries + 2 killed and run again
        'celeriac_task_wait_seconds_count{queue="default"}': 121,
        'celeriac_task_payload_bytes_count{task="shop.add"}': 100,
        'celeriac_task_payload_bytes_bucket{task="shop.add",le=~"128.*"}': 100,
        'celeriac_task_payload_bytes_sum{task="shop.fail"}': 5 * len(NO_ARGUMENTS),
        # stuck, and each time that hold began
        'celeriac_task_wait_seconds_count{queue="held"}': 3,
        'celeriac_letters_written_total{reason="failed"}': 5,
        'celeriac_letters_written_total{reason="timeout"}': 1,
        'celery_tasks_total{status="success"}': 107,
        'celery_tasks_total{status="failure"}': 6,
        'celery_tasks_total{status="retry"}': 8,
        'celery_tasks_processed_total{task_name="shop.add",status="success"}': 100,
        'celery_task_submissions_total{task_name="shop.add"}': 100,
        'celery_task_duration_seconds_count{task_name="shop.add"}': 100,
        "sum(celeriac_queue_messages)": 0,
        "sum(celeriac_worker_up)": 3,
        "sum(celeriac_worker_slots)": 5,
        "sum(celeriac_worker_busy_slots)": 0,
        "sum(celeriac_letters)": 6,
        "celeriac_broker_up": 1,
        'celeriac_queue_max_wait_seconds{queue="default"}': 2,
    }.items():
        reads(promql, wanted)
    for name in CELERY_NAMES:
        assert server.query(f"count({name})"), name
    # No counter ever went back, which Prometheus would take for a restart and count again.
    for name in (
        "task_submissions_total",
        "task_completions_total",
        "task_wait_seconds_count",
        "events_total",
    ):
        assert server.value(f"sum(resets(celeriac_{name}[5m]))") == 0, name

    status, text = get(port, "/metrics")
    assert status == 200
    promtool = shutil.which("promtool")
    assert promtool is not None, "promtool comes with prometheus"
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert get(port, "/health/live")[0] == 200
    assert get(port, "/health/ready") == (200, '{"ready":true,"reasons":[]}')
    assert get(port, "/health/celery") == (200, '{"workers":3,"active_tasks":0,"healthy":true}')
    assert get(port, "/nothing")[0] == 404

    # What was counted is not forgotten by a stop and a start.
    assert up.stop(within=60) == 0
    assert not any((shop.folder / ".celeriac" / "workers").glob("*.pulse"))
    again = shop.start_celeriac("metrics")
    again.wait_for_log("serving")
    reads('celeriac_task_completions_total{task="shop.add"}', 100)
    assert get(port, "/health/ready")[0] == 503
    assert get(port, "/health/celery") == (503, '{"workers":0,"active_tasks":0,"healthy":false}')


def test_a_run_that_died_with_its_worker_is_counted_as_begun_and_its_next_as_ended(
    project: Callable[..., Project], eventually: Callable[..., object]
) -> None:
    port = free_port()
    shop = project(plan=PLAN.format(port=port, broker=EMBEDDED), tasks=TASKS)
    up = shop.start_celeriac("up", "--only", "slow", "--only", "metrics")
    up.wait_for_log("ready:", within=60)
    send(shop, "shop.hold=1")
    held = shop.folder / "held"
    eventually(held.exists, within=60)
    kill_worker(shop, "slow-1")
    eventually(lambda: held.read_text() == "xx", within=60)
    assert 'celeriac_queue_messages{queue="held",state="unacked"} 1.0' in get(port, "/metrics")[1]
    (shop.folder / "go on").touch()
    eventually(
        lambda: 'celeriac_queue_messages{queue="held",state="unacked"} 0.0' in get(port, "/metrics")[1]
    )
    text = get(port, "/metrics")[1]
    assert 'celeriac_task_completions_total{task="shop.hold"} 1.0' in text
    assert 'celeriac_task_wait_seconds_count{queue="held"} 2.0' in text
    assert 'celeriac_task_submissions_total{queue="held",task="shop.hold"} 1.0' in text


def test_a_frozen_worker_is_down_in_metrics_health_and_probe(
    project: Callable[..., Project], eventually: Callable[..., object]
) -> None:
    port = free_port()
    shop = project(plan=PLAN.format(port=port, broker=EMBEDDED), tasks=TASKS)
    worker = shop.start_celeriac("worker", "web")
    worker.wait_for_log("ready.")
    served = shop.start_celeriac("metrics")
    served.wait_for_log("serving")

    def health() -> tuple[int, str]:
        return get(port, "/health/celery")

    eventually(lambda: health()[0] == 200)
    assert shop.celeriac("probe", "--worker", "web-1").returncode == 0
    psutil.Process(worker.pid).suspend()
    eventually(lambda: health() == (503, '{"workers":0,"active_tasks":0,"healthy":false}'))
    asked = shop.celeriac("probe", "--worker", "web-1")
    assert asked.returncode == 1
    assert "stopped by a signal" in asked.stdout
    assert 'celeriac_worker_up{worker="web-1@' in get(port, "/metrics")[1]
    psutil.Process(worker.pid).resume()
    eventually(lambda: health()[0] == 200)
    assert worker.stop() == 0
    assert "no heartbeat file" in shop.celeriac("probe", "--worker", "web-1").stdout


def test_a_password_guards_the_metrics_and_a_real_prometheus_scrapes_with_it(
    project: Callable[..., Project],
    prometheus: Callable[..., PrometheusServer],
    eventually: Callable[..., object],
) -> None:
    port = free_port()
    plan = PLAN.format(port=port, broker=EMBEDDED) + 'auth = "${SHOP_METRICS:-}"\n'
    shop = project(plan=plan, tasks=TASKS, environ={"SHOP_METRICS": "eve:other,ada:pa:ss wörd"})
    served = shop.start_celeriac("metrics")
    served.wait_for_log("serving")
    assert "ss wörd" not in served.log

    def status(path: str, authorization: str = "") -> int:
        headers = {"Authorization": authorization} if authorization else {}
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
        try:
            return int(urllib.request.urlopen(request, timeout=10).status)
        except urllib.error.HTTPError as error:
            assert (error.headers["WWW-Authenticate"] or "").startswith("Basic") == (error.code == 401)
            return error.code

    def basic(said: str) -> str:
        return "Basic " + base64.b64encode(said.encode()).decode()

    for wrong in ("", "Basic", "Bearer x", "Basic \xff\xfe", basic("ada:guess"), basic("ada:pa"), basic(":")):
        assert status("/metrics", wrong) == 401, wrong
    assert status("/metrics", basic("ada:pa:ss wörd")) == status("/metrics", basic("eve:other")) == 200
    # A load balancer has no password; it sees numbers, and no names.
    assert get(port, "/health/live") == (200, '{"live":true}')
    assert get(port, "/health/ready") == (503, '{"ready":false}')
    assert get(port, "/health/celery") == (503, '{"workers":0,"active_tasks":0,"healthy":false}')
    server = prometheus(f"127.0.0.1:{port}", auth="ada:pa:ss wörd")
    eventually(lambda: server.value("celeriac_broker_up") == 1, within=60, every=0.1)


def test_a_busy_port_is_said_with_its_remedy(project: Callable[..., Project], tmp_path: Path) -> None:
    port = free_port()
    shop = project(plan=PLAN.format(port=port, broker=EMBEDDED), tasks=TASKS)
    first = shop.start_celeriac("metrics")
    first.wait_for_log("serving")
    second = shop.celeriac("metrics")
    assert second.returncode == 1
    assert "METRICS-001" in second.stderr
    assert "fix:" in second.stderr
