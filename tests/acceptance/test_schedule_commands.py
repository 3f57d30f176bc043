"""`celeriac schedule` on a real project: what is listed, looked ahead, run, paused and resumed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from servers.project import Project

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]

[queues.default]

[pools.web]
queues = ["default"]
executor = "solo"

[schedules.report]
task = "shop.note"
cron = "0 9 * * *"
timezone = "Europe/Berlin"

[schedules.guarded]
task = "shop.note"
every = "1d"
overlap = "skip"

[schedules.quick]
task = "shop.note"
every = "300ms"

[beat]
lease = "1s"
"""

TASKS = """\
from celery import current_app, shared_task

@shared_task(name="shop.note")
def note():
    return "noted"

@current_app.on_after_finalize.connect
def add(sender, **_):
    sender.add_periodic_task(3600, note.s(), name="hourly-from-code")
"""


def read(project: Project, *arguments: str) -> Any:
    ended = project.celeriac("schedule", *arguments, "--json")
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_schedules_are_listed_paused_resumed_and_run(
    project: Callable[..., Project], eventually: Callable[..., Any]
) -> None:
    made: Project = project(plan=PLAN, tasks=TASKS)
    listed = read(made, "list")
    assert listed["leader"] is None
    # Without Celery's own `celery.backend_cleanup`.
    ours = [it for it in listed["schedules"] if not it["name"].startswith("celery.")]
    assert {(it["name"], it["source"], it["state"]) for it in ours} == {
        ("report", "plan", "new"),
        ("guarded", "plan", "new"),
        ("quick", "plan", "new"),
        ("hourly-from-code", "code", "new"),
    }

    beat = made.start_celeriac("beat")
    beat.wait_for_log("schedule quick sent")
    table = made.celeriac("schedule", "list").stdout
    assert f"led by process {beat.pid} on" in table
    assert "0 9 * * * Europe/Berlin" in table

    assert read(made, "pause", "quick") == {"paused": ["quick"], "unchanged": []}
    assert read(made, "pause", "quick") == {"paused": [], "unchanged": ["quick"]}
    paused = read(made, "list", "quick")["schedules"][0]
    assert (paused["state"], paused["next_slot"]) == ("paused", None)
    assert read(made, "resume", "quick") == {"resumed": ["quick"], "unchanged": []}

    def sent_again() -> bool:
        return bool(read(made, "list", "quick")["schedules"][0]["sent"] > paused["sent"] + 1)

    eventually(sent_again, within=60.0)
    # What came while it was paused is neither sent nor missed.
    assert read(made, "list", "quick")["schedules"][0]["missed"] == 0
    # Whatever was being sent when the pause was written had been sent by then.
    assert beat.stop() == 0


def test_the_next_slots_are_shown_in_the_time_zone_of_the_schedule(project: Callable[..., Project]) -> None:
    made: Project = project(plan=PLAN, tasks=TASKS)
    shown = made.celeriac("schedule", "next", "report", "-n", "3").stdout
    assert shown.count("09:00:00 CE") == 3
    (found,) = read(made, "next", "report", "-n", "2")
    assert [slot[11:] in ("07:00:00+00:00", "08:00:00+00:00") for slot in found["slots"]] == [True, True]


def test_a_schedule_is_run_now_unless_its_last_run_goes_on(project: Callable[..., Project]) -> None:
    made: Project = project(plan=PLAN, tasks=TASKS)
    first = read(made, "run", "guarded")["task_id"]
    refused = made.celeriac("schedule", "run", "guarded")
    assert refused.returncode == 1
    assert "SCHED-004" in refused.stderr
    assert first in refused.stderr
    assert read(made, "list", "guarded")["schedules"][0]["running"] == first
    forced = read(made, "run", "guarded", "--force")["task_id"]
    assert forced != first
    worker = made.start_celeriac("worker", "web")
    worker.wait_for_log(f"shop.note[{forced}] succeeded")
    assert read(made, "list", "guarded")["schedules"][0]["running"] is None
    assert read(made, "run", "guarded")["task_id"] != forced


def test_an_unknown_schedule_is_named_with_the_known_ones(project: Callable[..., Project]) -> None:
    refused = project(plan=PLAN, tasks=TASKS).celeriac("schedule", "pause", "reprot")
    assert refused.returncode == 1
    assert "SCHED-005" in refused.stderr
    assert 'write "report"' in refused.stderr
