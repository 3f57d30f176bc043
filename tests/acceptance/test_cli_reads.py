"""Sending and asking from the command line, against a real broker and real workers."""

import json

import pytest

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]

[queues.default]
max_wait = "100ms"
[queues.other]

[pools.web]
queues = ["default"]
executor = "solo"

[pools.rest]
queues = ["other"]
executor = "solo"

[tasks."shop.flaky"]
retry = { limit = 3, backoff = "1h", cap = "2h", jitter = false }
"""

TASKS = """\
from celery import shared_task

@shared_task(name="shop.add")
def add(x, y=0):
    return x + y

@shared_task(name="shop.fail")
def fail(message="no"):
    raise ValueError(message)

@shared_task(name="shop.flaky")
def flaky():
    raise OSError("gone")

@shared_task(name="shop.quiet", ignore_result=True)
def quiet():
    pass
"""


@pytest.fixture
def shop(project):
    return project(plan=PLAN, tasks=TASKS)


def why(shop, task_id: str) -> dict:
    return json.loads(shop.celeriac("why", task_id, "--json").stdout)


def send(shop, *words: str) -> str:
    sent = shop.celeriac("send", *words)
    assert sent.returncode == 0, sent.stderr
    return sent.stdout.strip()


def test_before_anything_runs_every_read_works(shop):
    for command in ("status", "queues", "plan", "check"):
        assert shop.celeriac(command).returncode == 0
        json.loads(shop.celeriac(command, "--json").stdout)
    assert "does not run" in shop.celeriac("status").stdout


def test_why_says_how_many_wait_before_it_and_that_nobody_reads(shop):
    send(shop, "shop.add", "1")
    second = send(shop, "shop.add", "2")
    told = shop.celeriac("why", second)
    assert told.stdout.startswith(
        "shop.add waits in queue default, behind 1 other, and nobody reads that queue."
    )
    assert told.returncode == 0


def test_queues_say_what_is_late_and_what_nobody_reads(shop, eventually):
    send(shop, "shop.add", "1")
    send(shop, "shop.add", "1", "--countdown", "60")

    def default():
        listed = json.loads(shop.celeriac("queues", "--json").stdout)["queues"]
        return next(it for it in listed if it["name"] == "default")

    late = eventually(lambda: (it := default())["is_late"] and it)
    assert (late["ready"], late["delayed"], late["consumers"]) == (1, 1, 0)
    assert late["is_unread"]
    assert "nobody reads default: 2 tasks wait there" in shop.celeriac("queues").stdout


def test_why_follows_a_task_through_its_life(shop):
    delayed = send(shop, "shop.add", "1", "--countdown", "3600")
    worker = shop.start_celeriac("worker", "web")
    good = send(shop, "shop.add", "1", "--kwarg", "y=2")
    flaky = send(shop, "shop.flaky")
    bad = send(shop, "shop.fail", "boom")
    worker.wait_for_log("became letter", within=60)

    assert why(shop, good)["verdict"] == "succeeded"
    assert why(shop, delayed)["verdict"] == "delayed"
    retrying = why(shop, flaky)
    assert retrying["verdict"] == "retrying"
    assert "OSError" in retrying["facts"]["error"]
    assert why(shop, bad)["sentence"] == "shop.fail is dead; its letter waits for the recorder."
    recorder = shop.start_celeriac("recorder")
    recorder.wait_for_log("recorded")
    dead = why(shop, bad)
    assert (dead["verdict"], dead["sentence"]) == (
        "dead",
        "shop.fail is dead because it failed: ValueError: boom.",
    )
    assert "celeriac dead replay" in dead["next_step"]
    unknown = shop.celeriac("why", "no-such-id")
    assert unknown.returncode == 1
    assert "no queue, has no result and no letter" in unknown.stdout

    status = json.loads(shop.celeriac("status", "--json").stdout)
    assert any(it["name"].startswith("web-1@") for it in status["consumers"])


def test_send_waits_for_a_result_or_says_why_there_is_none(shop):
    worker = shop.start_celeriac("worker", "web")
    worker.wait_for_log("ready")
    good = shop.celeriac("send", "shop.add", "[1]", "--kwarg", "y=[2]", "--wait")
    assert (good.returncode, good.stdout) == (0, "[1, 2]\n")
    bad = shop.celeriac("send", "shop.fail", "boom", "--wait", "20")
    assert bad.returncode == 1
    assert "ValueError: boom" in bad.stderr
    failed = json.loads(shop.celeriac("send", "shop.fail", "boom", "--json", "--wait", "20").stdout)
    assert (failed["state"], failed["error"]) == ("FAILURE", "ValueError: boom")
    late = shop.celeriac("send", "shop.add", "1", "--queue", "other", "--wait", "0.2")
    assert late.returncode == 1
    assert "did not end in time: shop.add waits in queue other" in late.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("shop.ad", "1"), "UP-021"),
        (("shop.add",), "UP-022"),
        (("shop.add", "1", "--kwarg", "z=1"), "UP-022"),
        (("shop.quiet", "--wait"), "UP-023"),
        (("shop.add", "--kwarg", "1"), "UP-020"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_code_2_and_nothing_is_sent(shop, words, code):
    refused = shop.celeriac("send", *words)
    assert refused.returncode == 2
    assert refused.stderr.startswith(code)
    assert "Traceback" not in refused.stderr


def test_an_unknown_task_can_be_sent_if_asked_to(shop):
    task_id = send(shop, "elsewhere.task", "--unchecked")
    assert why(shop, task_id)["verdict"] == "waiting"


def test_check_finds_a_scheduled_task_that_does_not_exist(project):
    shop = project(plan=PLAN + '[schedules.daily]\ntask = "shop.ad"\nevery = "1h"\n', tasks=TASKS)
    checked = shop.celeriac("check")
    assert checked.returncode == 1
    assert "shop.ad" in checked.stderr
    assert json.loads(shop.celeriac("check", "--json").stdout)["ok"] is False
    assert shop.celeriac("check", "--no-app").returncode == 0


def test_an_app_that_cannot_be_imported_is_one_clear_error(project):
    shop = project(plan=PLAN, tasks="import nowhere_at_all\n")
    checked = shop.celeriac("check")
    assert checked.returncode == 1
    assert "nowhere_at_all" in checked.stderr
    assert "Traceback" not in checked.stderr


def test_a_broker_that_cannot_be_looked_into_hides_nothing_else(shop):
    shop.environ["CELERY_BROKER_URL"] = "amqp://nobody:secret@127.0.0.1:1//"
    status = json.loads(shop.celeriac("status", "--json").stdout)
    assert status["broker_error"].startswith("BROKER-013")
    answer = why(shop, "some-id")
    assert answer["verdict"] == "unknown"
    assert "cannot be said" in answer["sentence"]
    assert answer["looked_at"] == ["the result backend", "the dead letters"]
    refused = shop.celeriac("send", "shop.add", "1")
    assert refused.returncode == 1
    assert refused.stderr.startswith("SEND-001")
    assert "secret" not in refused.stderr
    assert shop.celeriac("queues").returncode == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_names_the_program(shop, shell):
    script = shop.celeriac("completion", shell)
    assert script.returncode == 0
    assert "_CELERIAC_COMPLETE" in script.stdout


def test_pools_and_tasks_are_completed(shop):
    shop.environ.update(_CELERIAC_COMPLETE="bash_complete", COMP_WORDS="celeriac worker we", COMP_CWORD="2")
    assert shop.celeriac().stdout == "plain,web\n"
    shop.environ.update(COMP_WORDS="celeriac send shop.f", COMP_CWORD="2")
    assert shop.celeriac().stdout == "plain,shop.flaky\n"
