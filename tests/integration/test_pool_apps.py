"""Pools with Celery apps of their own: each worker knows what its app knows, and the plan's app knows everything."""

from __future__ import annotations

from celery import Celery

import celeriac

APPS = """\
from celery import Celery

publisher = Celery("publisher", include=["proj_heavy", "proj_light"])
heavy = Celery("heavy", include=["proj_heavy"])
"""

TASKS = """\
from celery import shared_task

@shared_task(name="proj.{name}")
def {name}(x):
    from celery import current_app
    known = [each for each in ("proj.heavy", "proj.light") if each in current_app.tasks]
    return [*x, current_app.main, known]
"""

PLAN = """\
[celeriac]
name = "shop"
app = "proj:publisher"

[queues.light]
[queues.heavy]

[pools.light]
queues = ["light"]
executor = "solo"

[pools.heavy]
app = "proj:heavy"
queues = ["heavy"]
executor = "solo"

[tasks."proj.heavy"]
queue = "heavy"
"""


def test_a_pools_own_app_runs_its_workers(project):
    made = project(plan=PLAN)
    made.write("proj.py", APPS)
    for name in ("heavy", "light"):
        made.write(f"proj_{name}.py", TASKS.format(name=name))
    up = made.start_celeriac("up")
    up.wait_for_log("ready:", within=60)
    app = celeriac.adopt(Celery("test", set_as_current=False), made.folder / "celeriac.toml")

    chain = app.signature("proj.heavy", ([],)) | app.signature("proj.light")
    assert chain.delay().get(timeout=60) == [
        "heavy",
        ["proj.heavy"],
        "publisher",
        ["proj.heavy", "proj.light"],
    ]

    astray = app.send_task("proj.light", ([],), queue="heavy")
    up.wait_for_log(astray.id, within=60)
    said = made.celeriac("dead", "list", "--json").stdout
    assert "unknown-task" in said, up.log
    assert "celery -A proj:heavy worker" in made.celeriac("plan").stdout
    assert up.stop(within=60) == 0


def test_an_app_that_a_pool_names_and_nobody_has_written_is_named_with_its_place(project):
    made = project(plan=PLAN)
    made.write("proj.py", APPS.replace("heavy =", "other ="))
    refused = made.celeriac("worker", "heavy")
    assert refused.returncode != 0
    assert "APP-005" in refused.stderr
    assert "[pools.heavy].app" in refused.stderr
