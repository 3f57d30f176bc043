"""A Celery project as it is found in the wild, adopted and run by `celery -A`."""

from __future__ import annotations

from celery import Celery

import celeriac
from celeriac.deadletters import read_letter
from servers.waiting import eventually

PROJ = """\
import celery
from celery import Celery

import celeriac

class Settings:
    task_routes = {"proj.urgent": "high"}
    include = ["proj_tasks"]

app = Celery("proj")
app.config_from_object(Settings)
celeriac.adopt(app)

class Own(celery.Task):
    pass

@app.task(base=Own, name="proj.own")
def own():
    raise ConnectionError("away")

@app.task(name="proj.urgent")
def urgent():
    return "at once"
"""

TASKS = """\
from celery import shared_task

@shared_task(name="proj.shared")
def shared(x):
    return x
"""

PLAN = """\
[celeriac]
name = "shop"

[queues.default]
[queues.high]

[tasks."proj.own"]
retry = { limit = 1, backoff = "1ms", on = ["builtins.OSError"] }
"""


def test_an_adopted_project_runs_by_celerys_own_command(project):
    made = project(plan=PLAN)
    made.write("proj.py", PROJ)
    made.write("proj_tasks.py", TASKS)
    worker = made.start_celery("-A", "proj", "worker", "-P", "solo", "-Q", "default,high", "-l", "INFO")
    worker.wait_for_log("ready.")
    app = celeriac.adopt(Celery("test", set_as_current=False), made.folder / "celeriac.toml")

    assert app.send_task("proj.shared", (7,)).get(timeout=10) == 7
    sent = made.run("celery", "-A", "proj", "call", "proj.urgent", within=60).stdout.strip()
    assert app.AsyncResult(sent).get(timeout=10) == "at once"

    failed = app.send_task("proj.own")
    assert eventually(lambda: failed.state == "FAILURE")
    with app.connection_for_read() as connection:
        message = eventually(lambda: connection.default_channel.basic_get("celeriac.dead", no_ack=True))
    letter = read_letter(message)
    assert (letter.task, letter.attempts, letter.exception) == ("proj.own", 2, "builtins.ConnectionError")

    inspected = made.run("celery", "-A", "proj", "inspect", "ping", within=60)
    assert "pong" in inspected.stdout, inspected.stderr
