"""`celeriac doctor` on systems that run, in health and with each fault made for real."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from servers.example import Example
from servers.project import Project, Running
from servers.rabbitmq_server import running_rabbitmq
from servers.redis_server import free_port, running_redis
from servers.waiting import eventually

#: what the doctor may take besides importing the app, whatever hangs; the machine may be busy
AT_MOST_S = 20.0

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
broker = "{broker}"

[queues.default]
[queues.low]

[pools.web]
queues = ["default"]
executor = "{executor}"
concurrency = 1
[pools.slow]
queues = ["low"]
executor = "solo"
"""
SCHEDULED = """
[schedules.tick]
task = "shop.add"
every = "1s"
args = [1, 2]
"""
BROKER_API = """
[flower]
broker_api = "${BROKER_API}"
"""
SQLITE = "sqlite:///.celeriac/broker.db"
TASKS = """\
import time
from pathlib import Path

from celery import shared_task

@shared_task(name="shop.add")
def add(x, y):
    return x + y

@shared_task(name="shop.nap")
def nap(seconds):
    Path("napping").touch()
    time.sleep(seconds)
"""

PROJ = """\
from pathlib import Path

from celeriac.app import load_app
from celeriac.plan import read_plan

app = load_app(read_plan(Path("celeriac.toml")))
"""


def plan_text(broker: str = SQLITE, executor: str = "threads") -> str:
    return PLAN.format(broker=broker, executor=executor)


def asked(project: Project, *rules: str) -> dict[str, Any]:
    """Ask the doctor as a program does."""
    done = project.celeriac("doctor", *rules, "--json")
    told: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if told["ok"] else 1), done.stderr
    assert told["ok"] is all(it["level"] != "trouble" for it in told["findings"])
    return told


def names(told: dict[str, Any]) -> list[str]:
    return [it["rule"] for it in told["findings"]]


def of(told: dict[str, Any], rule: str) -> dict[str, Any]:
    (found,) = [it for it in told["findings"] if it["rule"] == rule]
    return dict(found)


def all_ready(project: Project) -> bool:
    up = json.loads(project.celeriac("status", "--json").stdout)["up"]
    return bool(up) and all(it["state"] == "ready" for it in up["processes"])


def start_worker(project: Project, pool: str) -> Running:
    worker = project.start_celeriac("worker", pool)
    eventually(lambda: f"{pool}-1@" in project.celeriac("status").stdout, every=0.2)
    return worker


def test_a_healthy_system_has_no_finding_and_every_rule_is_judged(tmp_path: Path) -> None:
    """The most important one: no false alarm."""
    flights = Example("first-run", tmp_path / "flights", {})
    try:
        up = flights.start_celeriac("up")
        eventually(lambda: all_ready(flights), every=0.2)
        told = asked(flights)
        assert (told["findings"], told["unjudged"]) == ([], [])
        said = flights.celeriac("doctor")
        assert (said.returncode, "no troubles (33 rules judged" in said.stdout) == (0, True)
        assert said.stderr == ""
        assert up.stop() == 0
        at_rest = asked(flights)
        assert (names(at_rest), at_rest["ok"]) == (["nothing-runs"], True)
    finally:
        flights.close()


def test_a_healthy_system_with_a_beat_on_redis_has_no_trouble(project, tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    with running_redis(tmp_path / "redis") as server:
        shop = project(plan=plan_text(server.url) + SCHEDULED, tasks=TASKS)
        shop.start_celeriac("up")
        eventually(lambda: all_ready(shop), every=0.2)
        told = asked(shop)
        assert (names(told), told["unjudged"]) == (["redis-unsaved"], [])
        with Redis.from_url(server.url) as client:
            client.config_set("appendonly", "yes")
            eventually(lambda: not client.info("persistence")["aof_rewrite_in_progress"])
        assert asked(shop)["findings"] == []


@pytest.mark.parametrize("is_frozen", [False, True], ids=["refuses", "frozen"])
def test_a_dead_broker_is_told_once_and_in_time(project, tmp_path: Path, is_frozen: bool) -> None:
    (tmp_path / "redis").mkdir()
    with running_redis(tmp_path / "redis") as server:
        url = server.url if is_frozen else f"redis://:secret@127.0.0.1:{free_port()}/0"
        shop = project(plan=plan_text(url) + SCHEDULED, tasks=TASKS)
        os.kill(server.pid, signal.SIGSTOP)
        began = time.monotonic()
        told = asked(shop)
        assert time.monotonic() - began < AT_MOST_S
        os.kill(server.pid, signal.SIGCONT)
    assert told["took_s"] < 10
    assert names(told) == ["broker-away"]
    assert "secret" not in str(told)
    assert {"queue-unread", "tasks-held", "redis-evicts"} <= {it["rule"] for it in told["unjudged"]}


def test_a_queue_without_its_worker_is_found_and_the_fix_mends_it(project) -> None:
    shop = project(plan=plan_text(), tasks=TASKS)
    shop.celeriac("send", "shop.add", "1", "2", "--queue", "low")
    start_worker(shop, "web")
    found = of(asked(shop), "queue-unread")
    assert (found["at"], found["facts"]["ready"]) == ("queue low", 1)
    assert found["fix"] == "start a worker that reads it: celeriac worker slow"
    start_worker(shop, "slow")
    eventually(lambda: asked(shop)["findings"] == [], every=0.2)


def test_tasks_in_the_hands_of_a_dead_worker_are_found_until_somebody_takes_them(project) -> None:
    shop = project(plan=plan_text(), tasks=TASKS)
    worker = start_worker(shop, "web")
    shop.celeriac("send", "shop.nap", "600")
    eventually((shop.folder / "napping").exists)
    worker.signal_group(signal.SIGKILL)
    worker.wait()
    found = of(asked(shop), "tasks-held")
    assert (found["facts"]["process"], found["facts"]["holds"]) == (worker.pid, 1)
    assert "start any worker" in found["fix"]
    start_worker(shop, "slow")
    eventually(lambda: "tasks-held" not in names(asked(shop)), every=0.2)


def test_a_worker_that_was_stopped_by_a_signal_is_found(project) -> None:
    shop = project(plan=plan_text(), tasks=TASKS)
    worker = start_worker(shop, "web")
    assert "worker-hung" not in names(asked(shop))
    worker.signal(signal.SIGSTOP)
    found = of(asked(shop, "worker-hung"), "worker-hung")
    worker.signal(signal.SIGCONT)
    assert f"process {worker.pid} does not run" in found["message"]


def test_a_worker_that_runs_older_code_is_found_before_a_task_is_sent(project) -> None:
    shop = project(plan=plan_text(), tasks=TASKS)
    worker = start_worker(shop, "web")
    assert "worker-outdated" not in names(asked(shop))
    shop.write("shop_tasks.py", TASKS + '\n@shared_task(name="shop.new")\ndef new():\n    pass\n')
    found = of(asked(shop), "worker-outdated")
    assert "it does not know shop.new" in found["message"]
    worker.stop()
    start_worker(shop, "web")
    assert "worker-outdated" not in names(asked(shop))


def test_a_task_that_nobody_knew_is_found_by_its_letter(project) -> None:
    shop = project(plan=plan_text(), tasks=TASKS)
    start_worker(shop, "web")
    shop.start_celeriac("recorder")
    shop.celeriac("send", "shop.gone", "--unchecked")
    found = eventually(
        lambda: [it for it in asked(shop)["findings"] if it["rule"] == "task-unknown"], every=0.2
    )
    assert "no worker knew shop.gone, which was sent once" in found[0]["message"]


def test_schedules_without_a_beat_are_found_and_a_beat_mends_it(project) -> None:
    shop = project(plan=plan_text() + SCHEDULED, tasks=TASKS)
    start_worker(shop, "web")
    start_worker(shop, "slow")
    assert "no beat leads: tick is not sent" in of(asked(shop), "beat-none")["message"]
    beat = shop.start_celeriac("beat")
    eventually(lambda: asked(shop)["findings"] == [], every=0.2)
    beat.signal_group(signal.SIGKILL)
    beat.wait()
    assert "beat-none" in names(asked(shop))


def test_a_beat_that_sends_by_itself_beside_ours_is_found_with_its_process(project) -> None:
    shop = project(plan=plan_text() + SCHEDULED, tasks=TASKS)
    shop.write("proj.py", PROJ)
    ours = [shop.start_celeriac("beat") for _ in range(2)]
    eventually(lambda: any("leads" in each.log for each in ours))
    assert "beat-twice" not in names(asked(shop))
    alone = shop.start_celery("-A", "proj", "beat", "-S", "celery.beat:PersistentScheduler")
    found = eventually(
        lambda: [it for it in asked(shop)["findings"] if it["rule"] == "beat-twice"], every=0.2
    )
    assert [it["at"] for it in found] == [f"process {alone.pid}"]
    assert "each slot is sent more than once" in found[0]["message"]


def test_an_import_that_fails_is_found_with_its_line(project) -> None:
    shop = project(plan=plan_text(), tasks=TASKS + "\nimport not_installed\n")
    told = asked(shop)
    found = of(told, "app-import")
    assert found["at"].endswith(f"shop_tasks.py:{len(TASKS.splitlines()) + 2}")
    assert "not_installed" in found["message"]
    # What needs no app is judged all the same.
    assert "queue-unread" not in [it["rule"] for it in told["unjudged"]]


def test_an_import_that_waits_for_good_is_given_up_with_its_line(project) -> None:
    shop = project(plan=plan_text(), tasks="import time\ntime.sleep(3600)\n")
    shop.write("sitecustomize.py", "import celeriac.cli.doctor as doctor\ndoctor.IMPORTS_WITHIN_S = 1.0\n")
    found = of(asked(shop), "app-import")
    assert found["at"].endswith("shop_tasks.py:2")
    assert "given up after 1s" in found["message"]


def test_a_redis_that_may_forget_tasks_is_found_by_its_settings(project, tmp_path: Path) -> None:
    folder = tmp_path / "redis"
    folder.mkdir()
    with running_redis(folder) as server, Redis.from_url(server.url) as client:
        shop = project(plan=plan_text(server.url), tasks=TASKS)
        rules = ("redis-evicts", "redis-full", "redis-unsaved", "redis-save-fails")
        assert names(asked(shop, *rules)) == ["redis-unsaved"]
        client.config_set("maxmemory", "1gb")
        client.config_set("maxmemory-policy", "allkeys-lru")
        found = of(asked(shop, *rules), "redis-evicts")
        assert (found["facts"]["maxmemory_policy"], found["facts"]["maxmemory"]) == ("allkeys-lru", 2**30)
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 50_000)
        assert of(asked(shop, *rules), "redis-full")["level"] == "trouble"
        client.config_set("maxmemory", 0)
        shutil.rmtree(folder)  # where it would save
        client.bgsave()
        eventually(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")
        assert "the last snapshot of Redis failed" in of(asked(shop, *rules), "redis-save-fails")["message"]


def test_a_rabbitmq_without_an_alarm_is_no_finding(project, rabbitmq_server) -> None:
    text = plan_text(rabbitmq_server.new_vhost()) + BROKER_API
    shop = project(plan=text, tasks=TASKS, environ={"BROKER_API": rabbitmq_server.api.removesuffix("/api/")})
    eventually(lambda: asked(shop, "rabbitmq-alarm")["judged"] == 1, every=0.2)
    assert asked(shop, "rabbitmq-alarm")["findings"] == []
    shop.celeriac("send", "shop.add", "1", "2", "--queue", "low")
    told = asked(shop)
    assert of(told, "queue-unread")["facts"]["ready"] == 1
    assert told["unjudged"] == []
    shop.start_celeriac("up", *(word for each in ("web", "slow", "recorder") for word in ("--only", each)))
    eventually(lambda: all_ready(shop), every=0.2)
    healthy = eventually(lambda: told if not (told := asked(shop))["findings"] else None, every=0.2)
    assert healthy["unjudged"] == []


def test_a_rabbitmq_that_refuses_messages_for_want_of_memory_is_found_by_its_alarm(
    project, rabbitmq_server, tmp_path: Path
) -> None:
    """The server of the session is there to skip, or fail, where none is installed."""
    folder = tmp_path / "rabbitmq"
    folder.mkdir()
    settings = "vm_memory_high_watermark.absolute = 1MB\n"
    with running_rabbitmq(folder, management=True, settings=settings) as server:
        text = plan_text(server.url) + BROKER_API
        shop = project(plan=text, tasks=TASKS, environ={"BROKER_API": server.api.removesuffix("/api/")})
        found = eventually(lambda: asked(shop, "rabbitmq-alarm")["findings"], every=0.2)
    assert (found[0]["level"], found[0]["facts"]["alarm"]) == ("trouble", "memory")
    assert found[0]["facts"]["bytes"] > found[0]["facts"]["limit"]


def test_a_rule_that_is_not_there_is_refused_with_the_nearest_one(project) -> None:
    done = project(plan=plan_text(), tasks=TASKS).celeriac("doctor", "queue-unraed")
    assert done.returncode == 2
    assert 'write "queue-unread"' in done.stderr
