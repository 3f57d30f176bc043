"""Which of several brokers is used."""

import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from celeriac.app import brokers, choice
from celeriac.app.reaching import trouble_with
from celeriac.errors import AppError, PlanError
from celeriac.plan import Plan, check, read_plan
from servers.redis_server import free_port

FILE = "sqlite:///.celeriac/broker.db"


@pytest.fixture(autouse=True)
def a_fresh_process(monkeypatch):
    """Forget what this process chose and holds, before and after."""

    def forget():
        brokers._made.clear()
        for descriptor in choice._held.values():
            os.close(descriptor)
        choice._held.clear()

    monkeypatch.delenv(brokers.VARIABLE, raising=False)
    forget()
    yield
    forget()


@pytest.fixture
def nobody() -> str:
    """The URL of a Redis that is not there, with a password in it."""
    return f"redis://ada:secret@127.0.0.1:{free_port()}/0"


def plan_of(folder: Path, *urls: str, **more: object) -> Plan:
    return Plan(brokers=urls, folder=folder, **more)


def another_process(folder: Path, *urls: str, hold: bool = False) -> subprocess.Popen[str]:
    """Let another process choose, say what it chose, and live until its input is closed."""
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from celeriac.app.brokers import choose\nfrom celeriac.plan import Plan\n"
        f"plan = choose(Plan(brokers={urls!r}, folder=Path({str(folder)!r})), hold={hold})\n"
        "print(plan.broker, flush=True)\nsys.stdin.read()\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_first_that_answers_is_used(tmp_path, redis_server):
    chosen = brokers.choose(plan_of(tmp_path, redis_server.url, FILE))
    assert (chosen.broker, chosen.because) == (redis_server.url, "1 of 2, it answers")


def test_the_next_is_used_where_the_first_is_gone_and_a_loud_line_says_why(tmp_path, nobody, caplog):
    with caplog.at_level(logging.INFO, "celeriac"):
        chosen = brokers.choose(plan_of(tmp_path, nobody, FILE))
    assert chosen.broker == FILE
    (record,) = [it for it in caplog.records if it.event == "broker.fell_back"]
    assert record.levelno == logging.WARNING
    assert "Connection refused" in record.getMessage()
    assert "secret" not in record.getMessage()


def test_a_server_that_accepts_and_says_nothing_is_given_up_in_time(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        trouble = trouble_with(f"redis://127.0.0.1:{mute.getsockname()[1]}/0", tmp_path, patience_s=0.3)
    assert trouble is not None


def test_results_and_state_that_follow_the_broker_go_with_the_choice(tmp_path, nobody):
    chosen = brokers.choose(plan_of(tmp_path, nobody, "sqlite:///data/broker.db"))
    assert (chosen.results, chosen.state) == ("sqlite:///data/results.db", "sqlite:///data/records.db")
    assert chosen.coordination == chosen.state


def test_results_that_were_named_stay_where_they_are(tmp_path, nobody):
    chosen = brokers.choose(plan_of(tmp_path, nobody, FILE, results=nobody))
    assert chosen.results == nobody


def test_where_none_can_be_reached_that_is_an_error_with_every_reason(tmp_path, nobody):
    with pytest.raises(AppError, match="APP-030") as refused:
        brokers.choose(plan_of(tmp_path, nobody, f"redis://127.0.0.1:{free_port()}/1"))
    assert str(refused.value).count("cannot be reached") == 2
    assert "secret" not in str(refused.value)


def test_an_app_that_can_reach_none_sends_to_the_first_and_fails_there(tmp_path, nobody, caplog):
    plan = plan_of(tmp_path, nobody, f"redis://127.0.0.1:{free_port()}/1")
    assert brokers.choose_or_first(plan).broker == nobody
    assert [it.event for it in caplog.records] == ["broker.none"]


def test_what_was_told_is_used_without_looking(tmp_path, nobody):
    environ = {brokers.VARIABLE: nobody.replace("secret", "***")}
    assert brokers.choose(plan_of(tmp_path, FILE, nobody), environ=environ).broker == nobody


def test_what_was_told_is_held_for_others_too(tmp_path, redis_server):
    plan = plan_of(tmp_path, redis_server.url, FILE)
    assert brokers.choose(plan, hold=True, environ={brokers.VARIABLE: FILE}).broker == FILE
    other = another_process(tmp_path, redis_server.url, FILE)
    assert other.stdout.readline().strip() == FILE
    other.communicate("")


def test_another_broker_than_the_one_in_use_cannot_be_told(tmp_path, redis_server):
    holder = another_process(tmp_path, redis_server.url, FILE, hold=True)
    holder.stdout.readline()
    with pytest.raises(AppError, match="APP-034"):
        brokers.choose(plan_of(tmp_path, redis_server.url, FILE), hold=True, environ={brokers.VARIABLE: FILE})
    holder.communicate("")


def test_a_broker_that_the_plan_does_not_name_is_refused(tmp_path):
    with pytest.raises(AppError, match="APP-031"):
        brokers.choose(plan_of(tmp_path, FILE, "memory://"), environ={brokers.VARIABLE: "redis://other"})


def test_a_process_stays_with_its_choice(tmp_path):
    in_the_way = tmp_path / "data"
    in_the_way.write_text("no folder")
    plan = plan_of(tmp_path, "sqlite:///data/broker.db", FILE)
    assert brokers.choose(plan).broker == FILE
    in_the_way.unlink()
    assert brokers.choose(plan).broker == FILE
    brokers._made.clear()
    assert brokers.choose(plan).broker == "sqlite:///data/broker.db", "another process would choose the first"


def test_others_follow_the_choice_while_its_holder_lives(tmp_path, redis_server, nobody):
    folder = tmp_path / ".celeriac"
    holder = another_process(tmp_path, nobody, redis_server.url, hold=True)
    assert holder.stdout.readline().strip() == redis_server.url
    # The first of ours answers, yet the holder's is in force.
    assert brokers.choose(plan_of(tmp_path, FILE, redis_server.url)).broker == redis_server.url
    brokers._made.clear()
    holder.communicate("")
    assert choice.in_force(folder) is None
    assert brokers.choose(plan_of(tmp_path, FILE, redis_server.url)).broker == FILE


def test_processes_that_start_together_hold_one_choice(tmp_path, redis_server, nobody):
    together = [another_process(tmp_path, nobody, redis_server.url, FILE, hold=True) for _ in range(4)]
    assert {it.stdout.readline().strip() for it in together} == {redis_server.url}
    said = [it.communicate("")[1] for it in together]
    assert sum("FALLS BACK" in words for words in said) == 1


def test_another_broker_than_the_last_time_is_said(tmp_path, redis_server, caplog):
    folder = tmp_path / ".celeriac"
    choice.hold(folder, lambda: choice.new_choice(FILE, "it was so"))
    os.close(choice._held.pop(folder))
    brokers.choose(plan_of(tmp_path, redis_server.url, FILE), hold=True)
    (record,) = [it for it in caplog.records if it.event == "broker.changed"]
    assert record.fields == {"broker": redis_server.url, "before": FILE}


def test_a_sender_says_when_the_workers_have_come_to_use_another(tmp_path, redis_server, monkeypatch, caplog):
    from celery import signals

    monkeypatch.setattr(brokers, "_LOOK_EVERY_S", 0.0)
    brokers.choose(plan_of(tmp_path, redis_server.url, FILE))
    holder = another_process(tmp_path, FILE, redis_server.url, hold=True)
    holder.stdout.readline()
    for _ in range(2):
        signals.before_task_publish.send(sender="shop.add")
    holder.communicate("")
    assert [it.fields["theirs"] for it in caplog.records if it.event == "broker.differs"] == [FILE]


def test_the_file_that_says_which_holds_no_password(tmp_path, nobody, redis_server):
    url = redis_server.url.replace("//", "//:secret@")
    choice.hold(tmp_path, lambda: choice.new_choice(url, "because"))
    assert b"secret" not in (tmp_path / choice.FILE).read_bytes()


def test_a_plan_file_names_several_and_an_empty_variable_leaves_one_out(tmp_path):
    path = tmp_path / "celeriac.toml"
    path.write_text('[celeriac]\nbroker = ["${REDIS_URL:-}", "sqlite:///.celeriac/broker.db"]\n')
    assert read_plan(path, environ={"REDIS_URL": "redis://h"}).brokers == ("redis://h", FILE)
    alone = read_plan(path, environ={})
    assert (alone.broker, alone.brokers) == (FILE, ())
    overruled = read_plan(path, environ={"CELERY_BROKER_URL": "redis://other"})
    assert (overruled.broker, overruled.brokers) == ("redis://other", ())


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("[]", "PLAN-048"),
        ('["${GONE:-}"]', "PLAN-048"),
        ('["sqlite:///a/b.db", 5]', "PLAN-011"),
        ('["sqlite:///a/b.db", "carrier-pigeon://loft"]', "PLAN-040"),
        ('["sqlite:///a/b.db", "sqlite:///a/b.db"]', "PLAN-049"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused(tmp_path, written, code):
    path = tmp_path / "celeriac.toml"
    path.write_text(f"[celeriac]\nbroker = {written}\n")
    with pytest.raises(PlanError) as refused:
        read_plan(path, environ={})
    assert [problem.code for problem in refused.value.problems] == [code]


def test_a_bounded_queue_needs_a_bounding_broker_whichever_is_chosen():
    from celeriac.plan import Queue

    plan = Plan(brokers=(FILE, "memory://"), coordination="redis://h", queues={"low": Queue(max_length=5)})
    assert [problem.code for problem in check(plan)] == ["PLAN-043"]
