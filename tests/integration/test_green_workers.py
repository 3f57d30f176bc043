"""Workers on greenlets, gevent and eventlet: many tasks at once, heartbeat, metrics, letters, drain, and beat."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable

import pytest

from celeriac_probe import pulse
from servers.project import Project
from servers.redis_server import free_port

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
broker = "{broker}"
results = "sqlite:///.celeriac/results.db"

[queues.default]

[pools.web]
queues = ["default"]
executor = "{executor}"
concurrency = 20

[tasks."shop.fail"]
retry = {{ limit = 1, backoff = "10ms", jitter = false }}

[schedules.tick]
task = "shop.tick"
every = "1s"

[metrics]
address = "127.0.0.1:{port}"
"""

TASKS = """\
import time, threading
from pathlib import Path
from celery import shared_task

@shared_task(name="shop.fail")
def fail():
    raise ValueError("no")

@shared_task(name="shop.hold")
def hold(number):
    Path(f"held-{number}").touch()
    while not Path("go on").exists():
        time.sleep(0.02)
    return number

@shared_task(name="shop.tick", ignore_result=True)
def tick():
    Path("ticked").touch()
"""

EMBEDDED = "sqlite:///.celeriac/broker.db"
HELD = 8


@pytest.fixture(
    params=[("gevent", "sqlite"), ("gevent", "rabbitmq"), ("eventlet", "sqlite"), ("eventlet", "redis")],
    ids="-".join,
)
def green(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Executor and broker."""
    executor, broker = request.param
    pytest.importorskip(executor)
    if broker == "redis":
        return executor, request.getfixturevalue("redis_server").database(14)
    if broker == "rabbitmq":
        return executor, request.getfixturevalue("rabbitmq_server").new_vhost()
    return executor, EMBEDDED


def test_a_worker_on_greenlets_does_all_that_others_do(
    project: Callable[..., Project], green: tuple[str, str], eventually: Callable[..., object]
) -> None:
    executor, broker = green
    port = free_port()
    shop = project(plan=PLAN.format(executor=executor, broker=broker, port=port), tasks=TASKS)
    up = shop.start_celeriac("up")
    up.wait_for_log("ready:", within=60)

    def metrics() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    def heartbeat() -> pulse.Pulse:
        (beat,) = pulse.read_all(str(shop.folder / ".celeriac" / "workers"))
        return beat

    eventually((shop.folder / "ticked").exists, within=60)
    shop.celeriac("send", "shop.fail")
    sent = [shop.celeriac("send", "shop.hold", str(number)).stdout.strip() for number in range(HELD)]
    for number in range(HELD):
        eventually((shop.folder / f"held-{number}").exists, within=60)

    # All run at once, and the loop turns beside them.
    eventually(lambda: (heartbeat().slots, heartbeat().busy) == (20, HELD), within=60)
    assert heartbeat().beat_age_s < pulse.STALE_S
    said = shop.celeriac("probe")
    assert (said.returncode, f"{HELD} of 20 slots busy" in said.stdout) == (0, True), said.stdout
    eventually(lambda: f'celeriac_worker_busy_slots{{worker="{heartbeat().name}"}} {HELD}.0' in metrics())
    eventually(lambda: 'celeriac_task_failures_total{task="shop.fail"} 1.0' in metrics(), within=60)
    assert 'celeriac_task_retries_total{task="shop.fail"} 1.0' in metrics()
    assert "celeriac_schedule_lag_seconds{" in metrics()
    (letter,) = eventually(  # type: ignore[misc,attr-defined]
        lambda: json.loads(shop.celeriac("dead", "list", "--json").stdout), within=60, every=0.2
    )
    assert (letter["task"], letter["attempts"], letter["reason"]) == ("shop.fail", 2, "failed")

    # A stop waits for what runs.
    up.signal(15)
    up.wait_for_log("Warm shutdown", within=60)
    (shop.folder / "go on").touch()
    assert up.wait(within=60) == 0, up.log
    assert "stopped cleanly" in up.log
    results = shop.run("python", "-c", RESULTS, *sent)
    assert json.loads(results.stdout) == [["SUCCESS", number] for number in range(HELD)], results.stderr
    assert not pulse.read_all(str(shop.folder / ".celeriac" / "workers")), "the heartbeat's file is gone"


RESULTS = """\
import json, sys
from celeriac import create_app
app = create_app("celeriac.toml")
found = [app.AsyncResult(task_id) for task_id in sys.argv[1:]]
print(json.dumps([[it.state, it.result] for it in found]))
"""

LIMITED_PLAN = """\
[celeriac]
imports = ["shop_tasks"]
[queues.default]
[pools.web]
queues = ["default"]
executor = "gevent"
concurrency = 2
time_limit = "1s"
"""


def test_a_greenlet_of_gevent_that_runs_too_long_becomes_a_letter(
    project: Callable[..., Project], eventually: Callable[..., object]
) -> None:
    pytest.importorskip("gevent")
    shop = project(plan=LIMITED_PLAN, tasks=TASKS)
    worker = shop.start_celeriac("worker", "web")
    worker.wait_for_log("ready.", within=60)
    task_id = shop.celeriac("send", "shop.hold", "1").stdout.strip()
    worker.wait_for_log(f"shop.hold[{task_id}] became letter", within=60)
    assert ": timeout" in worker.log
    # Its slot is free, and is not thought busy.
    (shop.folder / "go on").touch()
    assert shop.celeriac("send", "shop.hold", "2", "--wait", "30").stdout == "2\n"
    eventually(
        lambda: [it.busy for it in pulse.read_all(str(shop.folder / ".celeriac" / "workers"))] == [0],
        within=60,
    )
    assert worker.stop(within=60) == 0
