"""What is told of a new letter: the handler's task and the hooks, at most once, with a real recorder."""

from __future__ import annotations

import json

import pytest

PLAN = """\
[celeriac]
app = "proj:app"
broker = "{broker}"

[queues.default]

[pools.web]
queues = ["default"]
executor = "solo"

[letters]
handler = "shop.handle_dead_letter"
"""

PROJ = """\
import celeriac

app = celeriac.create_app()

class Note(celeriac.Hooks):
    def handle_dead_letter(self, task_id, reason):
        with open("hooked", "a") as file:
            file.write(f"{task_id} {reason}\\n")
        raise RuntimeError("a hook that fails")

    def admit(self, run):
        if run.kwargs.get("by") == "stranger":
            raise PermissionError("not by you")

celeriac.add_hooks(app, Note())

@app.task(name="shop.fail", base=celeriac.ReportingTask)
def fail(**_):
    raise ValueError("no")

@app.task(name="shop.handle_dead_letter")
def handle_dead_letter(task_id, reason):
    with open("handled", "a") as file:
        file.write(f"{task_id} {reason}\\n")
    raise ValueError("the handler fails as well, and is not told of that")
"""


@pytest.fixture(params=["sqlite", "redis"])
def shop(request, project):
    broker = "sqlite:///.celeriac/broker.db"
    if request.param == "redis":
        server = request.getfixturevalue("redis_server")
        server.flush()
        broker = server.database(9)
    made = project(plan=PLAN.format(broker=broker))
    made.write("proj.py", PROJ)
    return made


def lines(shop, name: str) -> list[str]:
    path = shop.folder / name
    return path.read_text().splitlines() if path.exists() else []


def letters(shop) -> list[dict[str, str]]:
    return json.loads(shop.celeriac("dead", "list", "--state", "all", "--json").stdout)


def test_each_letter_is_told_of_once_and_the_handlers_own_is_not(shop, eventually):
    up = shop.start_celeriac("up")
    up.wait_for_log("ready: 2 running", within=60)
    failed = shop.celeriac("send", "shop.fail").stdout.strip()
    eventually(lambda: lines(shop, "handled") == [f"{failed} failed"], within=60)
    assert f"shop.fail[{failed}] failed for good in attempt 1: ValueError('no')" in up.log

    refused = shop.celeriac("send", "shop.fail", "--kwarg", "by=stranger").stdout.strip()
    eventually(lambda: lines(shop, "handled") == [f"{failed} failed", f"{refused} failed"], within=60)
    assert "PermissionError" in up.log

    # Two letters of the handler itself, and no third call.
    eventually(lambda: len(letters(shop)) == 4, within=60, every=0.3)
    (first,) = [it["id"] for it in letters(shop) if it["task_id"] == failed]
    shop.celeriac("dead", "replay", first, "--yes")
    eventually(lambda: len(lines(shop, "handled")) == 3, within=60)
    assert lines(shop, "handled")[-1] == f"{failed} failed", "the replay died again: a letter of its own"
    eventually(lambda: len(letters(shop)) == 6, within=60, every=0.3)
    assert len(lines(shop, "handled")) == 3
    assert len(lines(shop, "hooked")) == 6, "hooks hear of every letter, also the handler's"
    assert "the hook Note.handle_dead_letter failed" in up.log
    assert up.stop(within=60) == 0
