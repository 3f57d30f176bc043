"""Heartbeats of real workers: written by the loop of every executor, and judged by the probe."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from celeriac_probe import pulse
from servers.project import Project
from servers.rabbitmq_server import running_rabbitmq
from servers.redis_faults import FaultyRedis

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
broker = "{broker}"

[queues.default]

[pools.web]
queues = ["default"]
executor = "{executor}"
{concurrency}
"""

TASKS = """\
import time
from pathlib import Path
from celery import shared_task

@shared_task(name="shop.hold")
def hold():
    Path("held").touch()
    while not Path("go on").exists():
        time.sleep(0.02)
"""

EMBEDDED = "sqlite:///.celeriac/broker.db"


def heartbeat(shop: Project) -> pulse.Pulse | None:
    found = pulse.read_all(str(shop.folder / ".celeriac" / "workers"))
    return found[0] if found else None


@pytest.mark.parametrize(("executor", "slots"), [("prefork", 2), ("threads", 2), ("solo", 1)])
def test_the_loop_of_every_executor_beats_and_says_what_is_busy(
    project: Callable[..., Project], eventually: Callable[..., object], executor: str, slots: int
) -> None:
    concurrency = f"concurrency = {slots}" if executor != "solo" else ""
    shop = project(plan=PLAN.format(broker=EMBEDDED, executor=executor, concurrency=concurrency), tasks=TASKS)
    worker = shop.start_celeriac("worker", "web")
    worker.wait_for_log("ready.")

    def beats() -> pulse.Pulse:
        it = heartbeat(shop)
        assert it is not None
        assert it.phase == pulse.RUNNING
        assert it.beat_age_s < 2.0
        assert it.pid == worker.pid
        return it

    eventually(lambda: beats().slots == slots)
    first = heartbeat(shop)
    assert first is not None
    shop.celeriac("send", "shop.hold")
    eventually((shop.folder / "held").exists)
    eventually(lambda: (it := heartbeat(shop)) is not None and it.busy == 1)
    # A task in the loop of a solo worker is no hang, even when it has not turned for longer than allowed.
    eventually(lambda: (it := heartbeat(shop)) is not None and (executor != "solo" or it.beat_age_s > 1.2))
    said = shop.celeriac("probe", "--stale", "1.1" if executor == "solo" else "5")
    assert said.returncode == 0, said.stdout
    assert ("busy with a task in its own loop" in said.stdout) == (executor == "solo")
    (shop.folder / "go on").touch()
    eventually(lambda: beats().busy == 0)
    assert worker.stop() == 0
    assert heartbeat(shop) is None


def test_a_worker_without_its_broker_is_alive_and_not_up(
    project: Callable[..., Project], eventually: Callable[..., object], tmp_path: Path
) -> None:
    """RabbitMQ's: Celery itself looks after that connection."""
    folder = tmp_path / "rabbitmq"
    folder.mkdir()
    try:
        with running_rabbitmq(folder) as server:
            plan = PLAN.format(broker=server.url, executor="threads", concurrency="concurrency = 1")
            shop = project(plan=plan, tasks=TASKS)
            worker = shop.start_celeriac("worker", "web")
            worker.wait_for_log("ready.")
            eventually(lambda: (it := heartbeat(shop)) is not None and it.phase == pulse.RUNNING)
    except FileNotFoundError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))
    eventually(lambda: (it := heartbeat(shop)) is not None and it.phase == pulse.CONNECTING, within=60)
    said = shop.celeriac("probe")
    assert said.returncode == 0
    assert "web-1@" in said.stdout
    assert "connecting for" in said.stdout
    worker.signal_group(signal.SIGKILL)
    worker.wait()
    said = shop.celeriac("probe")
    assert said.returncode == 1
    assert f"gone: its process {worker.pid} ended without saying so" in said.stdout


@pytest.mark.parametrize("executor", ["prefork", "threads", "solo"])
def test_a_worker_whose_redis_is_away_is_alive_and_not_up_until_it_is_back(
    project: Callable[..., Project], eventually: Callable[..., object], tmp_path: Path, executor: str
) -> None:
    folder = tmp_path / "redis"
    folder.mkdir()
    try:
        server = FaultyRedis(folder)
    except FileNotFoundError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))

    def phase() -> int | None:
        found = heartbeat(shop)
        return None if found is None else found.phase

    try:
        shop = project(plan=PLAN.format(broker=server.url, executor=executor, concurrency=""), tasks=TASKS)
        worker = shop.start_celeriac("worker", "web")
        eventually(lambda: phase() == pulse.RUNNING, within=60)
        assert shop.celeriac("probe", "--ready").returncode == 0
        server.kill()
        eventually(lambda: phase() == pulse.CONNECTING, within=60)
        said = shop.celeriac("probe")
        assert said.returncode == 0
        assert "connecting for" in said.stdout
        assert shop.celeriac("probe", "--ready").returncode == 1
        server.start()
        eventually(lambda: phase() == pulse.RUNNING, within=60)
        assert shop.celeriac("probe", "--ready").returncode == 0
        assert worker.is_running()
        worker.stop()
    finally:
        server.kill()
