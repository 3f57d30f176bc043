"""`celeriac up` with real workers: it runs a plan, stops it well, and leaves nothing behind."""

import json
import os
import signal

import psutil
import pytest

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]

[queues.default]
[queues.slow]

[pools.web]
queues = ["default"]
executor = "solo"

[pools.batch]
queues = ["slow"]
executor = "prefork"
concurrency = 2
grace = "{grace}"

[tasks."shop.sleep"]
queue = "slow"
"""

TASKS = """\
import os, time
from pathlib import Path
from celery import shared_task

@shared_task(name="shop.add")
def add(x, y):
    return x + y

@shared_task(name="shop.sleep")
def sleep(seconds, mark):
    Path(mark + ".started").write_text(str(os.getpid()))
    time.sleep(seconds)
    Path(mark + ".ended").write_text("")
"""


@pytest.fixture
def shop(project):
    return project(plan=PLAN.format(grace="60s"), tasks=TASKS)


@pytest.fixture
def impatient_shop(project):
    return project(plan=PLAN.format(grace="1s"), tasks=TASKS)


def started(shop, eventually, mark: str) -> int:
    """Wait until the task has begun, and give the process it runs in."""
    path = shop.folder / f"{mark}.started"
    return eventually(lambda: path.exists() and path.read_text() and int(path.read_text()), within=60)


def all_gone(pids) -> bool:
    return not any(
        psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids
    )


def test_a_task_runs_and_a_clean_stop_exits_0(shop):
    up = shop.start_celeriac("up")
    up.wait_for_log("ready: 3 running")
    sent = shop.celeriac("send", "shop.add", "2", "3", "--wait", "20")
    assert (sent.returncode, sent.stdout) == (0, "5\n")
    family = [process.pid for process in up.family()]
    assert up.stop(within=60) == 0
    assert "stopped cleanly" in up.log
    assert all_gone(family)
    assert not (shop.folder / ".celeriac" / "up.json").exists()


def test_the_first_ctrl_c_lets_a_running_task_finish(shop, eventually):
    up = shop.start_celeriac("up", "--only", "batch")
    up.wait_for_log("ready: 1 running")
    shop.celeriac("send", "shop.sleep", "3", "a")
    started(shop, eventually, "a")
    up.signal_group(signal.SIGINT)
    up.wait_for_log("still at work on 1: shop.sleep")
    assert up.wait(within=60) == 0
    assert (shop.folder / "a.ended").exists()


def test_the_second_ctrl_c_kills_and_the_task_is_not_lost(shop, eventually):
    up = shop.start_celeriac("up", "--only", "batch")
    up.wait_for_log("ready: 1 running")
    task_id = shop.celeriac("send", "shop.sleep", "30", "a").stdout.strip()
    slot = started(shop, eventually, "a")
    up.signal(signal.SIGINT)
    up.wait_for_log("stopping;")
    up.signal(signal.SIGINT)
    assert up.wait(within=60) == 1
    eventually(lambda: all_gone([slot]))
    told = json.loads(shop.celeriac("why", task_id, "--json").stdout)
    assert told["verdict"] == "waiting"
    assert "which has died" in told["sentence"]


def test_a_task_that_overstays_the_grace_goes_back_to_its_queue(impatient_shop, eventually):
    shop = impatient_shop
    up = shop.start_celeriac("up", "--only", "batch")
    up.wait_for_log("ready: 1 running")
    task_id = shop.celeriac("send", "shop.sleep", "30", "a").stdout.strip()
    slot = started(shop, eventually, "a")
    assert up.stop(within=60) == 1
    assert "batch-1 runs on after its grace of 1s" in up.log
    assert all_gone([slot])
    answer = json.loads(shop.celeriac("why", task_id, "--json").stdout)
    assert answer["verdict"] == "waiting"


def test_nothing_outlives_an_up_that_was_killed(impatient_shop, eventually):
    shop = impatient_shop
    up = shop.start_celeriac("up")
    up.wait_for_log("ready: 3 running")
    shop.celeriac("send", "shop.sleep", "30", "a")
    started(shop, eventually, "a")
    family = [process.pid for process in up.family()]
    assert len(family) >= 6, "up, two workers, two slots, the recorder"
    up.signal(signal.SIGKILL)
    up.wait()
    eventually(lambda: all_gone(family), within=60)


def test_a_worker_killed_with_its_slots_is_started_again_and_goes_on(shop, eventually):
    up = shop.start_celeriac("up", "--only", "batch")
    up.wait_for_log("ready: 1 running")
    state = json.loads((shop.folder / ".celeriac" / "up.json").read_text())
    os.kill(state["processes"][0]["pid"], signal.SIGKILL)
    up.wait_for_log("batch-1 is started again")
    sent = shop.celeriac("send", "shop.sleep", "0", "b", "--wait", "20")
    assert sent.returncode == 0, sent.stderr


def test_a_second_up_is_refused_with_code_3_before_it_says_it_starts(shop):
    up = shop.start_celeriac("up", "--only", "web")
    up.wait_for_log("ready: 1 running")
    second = shop.celeriac("up")
    assert second.returncode == 3
    assert second.stdout == ""
    assert str(up.pid) in second.stderr


def test_a_plan_that_does_not_hold_together_starts_nothing(project):
    shop = project(plan='[pools.web]\nqueues = ["nowhere"]\n')
    ended = shop.celeriac("up")
    assert ended.returncode == 2
    assert "nowhere" in ended.stderr
    assert not (shop.folder / ".celeriac").exists()


def test_reload_runs_edited_code_and_waits_while_it_is_broken(shop, eventually):
    up = shop.start_celeriac("up", "--only", "web", "--reload")
    up.wait_for_log("ready: 1 running")

    def edit(text: str) -> None:
        (shop.folder / "shop_tasks.py").write_text(text)

    edit(f"{TASKS}\ndef (\n")
    up.wait_for_log("web-1 waits for the next edit", within=60)
    assert "SyntaxError" in up.log
    edit(TASKS.replace("return x + y", "return x * y"))
    eventually(lambda: up.log.count("ready: 1 running") == 2, within=60)
    assert shop.celeriac("send", "shop.add", "5", "6", "--wait", "20").stdout == "30\n"
    assert up.stop(within=60) == 0


def test_an_existing_app_runs_with_no_plan_at_all(project):
    shop = project()
    (shop.folder / "celeriac.toml").unlink()
    shop.write(
        "proj.py",
        "from celery import Celery\n"
        'app = Celery("proj")\n'
        'app.conf.task_routes = {"proj.mail": {"queue": "mails"}}\n'
        '@app.task(name="proj.mail")\n'
        "def mail():\n"
        '    return "sent"\n',
    )
    shop.environ["CELERY_CONCURRENCY"] = "1"
    up = shop.start_celeriac("up", "-A", "proj")
    up.wait_for_log("ready: 2 running")
    sent = shop.celeriac("send", "-A", "proj", "proj.mail", "--wait", "20")
    assert (sent.returncode, sent.stdout) == (0, "sent\n")
    assert up.stop(within=60) == 0


def test_a_worker_alone_exits_0_on_sigterm(shop):
    worker = shop.start_celeriac("worker", "web")
    worker.wait_for_log("web-1@")
    worker.wait_for_log("ready")
    assert worker.stop(within=60) == 0


def test_beat_sends_what_the_plan_schedules(project, eventually):
    plan = PLAN.format(grace="5s") + '[schedules.tick]\ntask = "shop.add"\nevery = "1s"\nargs = [1, 2]\n'
    shop = project(plan=plan, tasks=TASKS)
    up = shop.start_celeriac("up", "--only", "web", "--only", "beat")
    up.wait_for_log("ready: 2 running")
    eventually(lambda: up.log.count("succeeded") >= 2, within=60)
    assert up.stop(within=60) == 0
    assert not list(shop.folder.rglob("*beat-schedule*")), (
        "what was sent is in the ledger, not in a file of beat's"
    )
