"""The rules of stores: letters, schedules, breakers, the spool, and stores that do not answer."""

from __future__ import annotations

import os
import socket
import time
from contextlib import closing
from datetime import timedelta

import pytest

from celeriac.coordination import open_coordination
from celeriac.doctor import clocks
from celeriac.doctor.rules import spool_waiting
from celeriac.errors import AppError
from celeriac.flow import SharedBreaker
from celeriac.plan import Breaker, Policy, Pool, Queue, Schedule, Sending, Spool, check
from celeriac.records import Letter, Records
from celeriac.schedule.kinds import slots_of_plan
from celeriac.schedule.leadership import lease_of
from celeriac.schedule.ledger import Entry, Ledger
from servers.redis_server import free_port

ONE = {"queues": {"default": Queue()}, "pools": {"web": Pool(queues=("default",))}}
SCHEDULE = Schedule(task="shop.add", every=timedelta(minutes=1))


def keep_letters(shop, *reasons):
    with closing(Records(shop.plan.state, shop.plan.folder)) as records:
        records.insert_letters(
            [
                Letter(
                    id=str(at),
                    reason=reason,
                    queue="default",
                    died_at=100.0,
                    body=b"",
                    task="shop.price",
                    digest=str(at),
                )
                for at, reason in enumerate(reasons)
            ]
        )


def lead(shop, pid):
    """Hold the lease of the beat as a process of this host."""
    with closing(open_coordination(shop.plan.coordination, shop.plan.folder)) as store:
        holder = f"{socket.gethostname()}:{pid}:one"
        assert store.acquire(lease_of(shop.plan.name), holder, timedelta(minutes=1))


def ended_process():
    """Give the id of a process that has ended just now."""
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def test_letters_that_wait_are_advice(system):
    shop = system(**ONE)
    assert shop.found("letters-waiting") == []
    keep_letters(shop, "failed", "failed", "timeout")
    (found,) = shop.found("letters-waiting")
    assert (found.level, found.at, found.facts["letters"]) == ("advice", "queue default", 3)
    assert "most of shop.price (failed)" in found.message


def test_letters_of_a_task_that_nobody_knew_are_trouble_of_their_own(system):
    shop = system(**ONE)
    keep_letters(shop, "unknown-task", "unknown-task")
    assert shop.found("letters-waiting") == []
    (found,) = shop.found("task-unknown")
    assert found.level == "trouble"
    assert "no worker knew shop.price, which was sent 2 times" in found.message


def test_schedules_without_a_beat_are_trouble_once_something_runs(system):
    shop = system(**ONE, schedules={"report": SCHEDULE})
    assert shop.found("beat-none") == []
    shop.read("default")
    (found,) = shop.found("beat-none")
    assert found.level == "trouble"
    assert "no beat leads: report is not sent" in found.message


def test_a_beat_that_leads_is_no_finding_and_one_that_has_died_is(system):
    shop = system(**ONE, schedules={"report": SCHEDULE})
    shop.read("default")
    lead(shop, os.getpid())
    assert shop.found("beat-none") == []


def test_a_beat_that_died_with_the_lease_is_named(system):
    shop = system(**ONE, schedules={"report": SCHEDULE})
    shop.read("default")
    pid = ended_process()
    lead(shop, pid)
    (found,) = shop.found("beat-none")
    assert f"the beat that led, process {pid}, has died" in found.message


def test_a_slot_that_a_leading_beat_has_not_sent_is_late(system):
    shop = system(**ONE, schedules={"report": SCHEDULE})
    lead(shop, os.getpid())
    with closing(open_coordination(shop.plan.coordination, shop.plan.folder)) as store:
        ledger = Ledger(store, shop.plan.name)
        page = ledger.begin("report", Entry(text=slots_of_plan(SCHEDULE).text, settled=time.time()))
        assert page is not None
        assert shop.found("schedule-late") == []
        assert ledger.write(page, Entry(text=slots_of_plan(SCHEDULE).text, settled=time.time() - 3600))
    (found,) = shop.found("schedule-late")
    assert (found.level, found.at) == ("trouble", "schedule report")
    assert 3500 < found.facts["late_s"] < 3700


def test_a_breaker_is_told_while_it_is_open_and_not_when_it_has_long_cooled_down(system, monkeypatch):
    breaker = Breaker(name="bank", failures=1, cool_down=timedelta(minutes=5))
    shop = system(**ONE, tasks={"shop.*": Policy(breaker=breaker)})
    assert shop.found("breaker-open") == []
    with closing(open_coordination(shop.plan.coordination, shop.plan.folder)) as store:
        shared = SharedBreaker(breaker, store)
        shared.failed(shared.enter())
    (found,) = shop.found("breaker-open")
    assert (found.level, found.at) == ("trouble", "breaker bank")
    assert "tasks of shop.* wait" in found.message
    now = time.time()
    monkeypatch.setattr("celeriac.doctor.patient.time.time", lambda: now + 600)
    assert shop.found("breaker-open") == []


def test_what_waits_in_the_spool_is_told_after_a_while(system, monkeypatch):
    shop = system(
        **ONE,
        broker=f"redis://127.0.0.1:{free_port()}/0",
        results="sqlite:///.celeriac/results.db",
        sending=Sending(deadline=timedelta(seconds=0.3), spool=Spool()),
    )
    assert shop.found("spool-waiting") == []
    shop.send("shop.add", "default")
    assert shop.found("spool-waiting") == []
    monkeypatch.setattr(spool_waiting, "_SOON_S", -1.0)
    (found,) = shop.found("spool-waiting")
    assert (found.level, found.facts["tasks"]) == ("trouble", 1)


@pytest.mark.parametrize("store, rule", [("results", "results-away"), ("coordination", "coordination-away")])
def test_a_store_that_does_not_answer_is_named(system, store, rule):
    shop = system(**ONE, **{store: f"redis://:secret@127.0.0.1:{free_port()}/1"})
    (found,) = shop.found(rule)
    assert found.level == "trouble"
    assert "secret" not in str(found)
    assert "does not answer" in found.message
    assert "Connection refused" in found.message


def test_records_that_do_not_answer_are_named_and_their_letters_not_judged(system):
    shop = system(**ONE, state=f"postgresql://ann:secret@127.0.0.1:{free_port()}/records")
    examined = shop.examine("records-away", "letters-waiting")
    assert [it.rule for it in examined.findings] == ["records-away"]
    assert "secret" not in str(examined)
    assert [(it.rule, it.look) for it in examined.unjudged] == [("letters-waiting", "letters")]


def test_stores_of_files_that_are_not_made_yet_are_no_finding(system):
    shop = system(**ONE)
    for rule in ("results-away", "coordination-away", "records-away", "broker-away"):
        assert shop.found(rule) == []


def test_a_broker_that_is_away_is_told_once(system):
    shop = system(**ONE, broker=f"redis://:secret@127.0.0.1:{free_port()}/0")
    examined = shop.examine()
    assert [it.rule for it in examined.findings] == ["broker-away"]
    assert "secret" not in str(examined)
    assert {"queue-unread", "tasks-held", "redis-evicts"} <= {it.rule for it in examined.unjudged}


def test_a_broker_that_is_not_the_first_of_the_plan_is_advice(system):
    shop = system(**ONE, broker=("redis://127.0.0.1:1/0", "sqlite:///.celeriac/broker.db"))
    assert shop.plan.broker.startswith("redis")
    shop.plan = shop.plan.on("sqlite:///.celeriac/broker.db", "redis was away")
    (found,) = shop.found("broker-fallback")
    assert (found.level, found.facts) == ("advice", {"place": 2, "of": 2})
    shop.plan = shop.plan.on("redis://127.0.0.1:1/0", "it was the first that answered")
    assert shop.found("broker-fallback") == []


def test_a_clock_that_is_off_is_told_with_how_far(system, redis_server, monkeypatch):
    shop = system(**ONE, coordination=redis_server.url)
    assert shop.found("clock-skew") == []
    real = time.time
    monkeypatch.setattr(clocks.time, "time", lambda: real() + 5)
    (found,) = shop.found("clock-skew")
    assert found.level == "advice"
    assert -5.5 < found.facts["ahead_s"] < -4.5


def test_a_problem_of_the_plan_keeps_its_code_and_a_warning_is_advice(system):
    shop = system(queues={"default": Queue(), "lonely": Queue()}, pools={"web": Pool(queues=("default",))})
    shop.problems = list(check(shop.plan))
    assert shop.problems
    found = shop.found("plan")
    assert [it.code for it in found] == [it.code for it in shop.problems]
    assert [it.level == "advice" for it in found] == [it.severity == "warning" for it in shop.problems]


def test_an_import_that_fails_is_trouble_and_keeps_what_needs_the_app_from_being_judged(system):
    shop = system(**ONE)
    shop.problems = [
        AppError("APP-011", "the app cannot be loaded", at="tasks.py:3", fix="mend the code there")
    ]
    (found,) = shop.found("app-import")
    assert (found.level, found.at, found.facts) == ("trouble", "tasks.py:3", {"error": "APP-011"})
