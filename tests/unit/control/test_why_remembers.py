"""`why` with a history: what it says when broker and results know nothing, and that it finds every letter of a task."""

from __future__ import annotations

from contextlib import closing

import pytest
from msgspec.structs import replace

from celeriac.app import create_app
from celeriac.control.remembered import remembered
from celeriac.control.runs import History, run_filter
from celeriac.control.why import explain
from celeriac.errors import RecordsError
from celeriac.plan import Plan, Queue
from celeriac.plan import Records as Kept
from celeriac.records import Description, Letter, Mishap, Records, Run, Runs, Sighting
from celeriac.records.runs import Seen, outcome_of
from celeriac.wire import letter_id


def run(*states, task_id="t-1", mishap=None, **described) -> Run:
    """A run that went through these (state, worker)s, one a second."""
    history = tuple(Sighting(float(at), state, worker) for at, (state, worker) in enumerate(states, 1))
    description = Description(True, 1.0, "shop.add", "default", **described)
    return Run(task_id=task_id, history=history, description=description, mishap=mishap)


def seen(*states, **more) -> Seen:
    made = run(*states, **more)
    return Seen(run=made, outcome=outcome_of(made))


RAN_TWICE = (("running", "a"), ("retrying", "a"), ("running", "b"))


@pytest.mark.parametrize(
    ("states", "verdict", "said"),
    [
        ((*RAN_TWICE, ("succeeded", "b")), "succeeded", "2 times, on a and b"),
        ((("running", "a"), ("failed", "a")), "failed", "once, on a: ValueError('x')"),
        ((("revoked", "a"),), "revoked", "was revoked at"),
        ((("expired", "a"),), "expired", "no worker had started it in time"),
        ((("received", "a"), ("running", "a")), "lost-sight", "seen to begin on a"),
        ((("running", "a"), ("retrying", "a")), "lost-sight", "has been retrying since"),
    ],
)
def test_every_state_of_the_history_has_its_sentence(states, verdict, said):
    found = remembered(seen(*states, mishap=Mishap(2.0, "ValueError('x')")), is_broker_seen=True)
    assert found[0] == verdict
    assert said in found[1]


def test_an_error_that_ends_its_own_sentence_does_not_end_ours_twice():
    mishap = Mishap(2.0, "DoesNotExist: Job: 4.")
    _, failed, _ = remembered(seen(("failed", "a"), mishap=mishap), is_broker_seen=True)
    assert "Job: 4. No letter" in failed


def test_where_the_broker_cannot_be_looked_into_the_history_says_what_goes_on():
    assert remembered(seen(("running", "a")), is_broker_seen=False)[0] == "running"
    assert remembered(seen(("running", "a"), ("retrying", "a")), is_broker_seen=False)[0] == "retrying"
    assert remembered(seen(("received", "a")), is_broker_seen=False)[0] == "waiting"


@pytest.fixture
def plan(tmp_path) -> Plan:
    return Plan(folder=tmp_path, queues={"default": Queue()}, records=Kept())


def keep(plan, *made: Run) -> None:
    with closing(Runs(plan.state, plan.folder)) as runs:
        runs.keep(made)


def test_why_answers_by_the_history_when_nothing_else_knows_the_task(plan):
    app = create_app(plan)
    assert explain(plan, app, "t-1").verdict == "unknown"
    keep(plan, run(*RAN_TWICE, ("succeeded", "b")))
    answer = explain(plan, app, "t-1")
    assert answer.verdict == "succeeded"
    assert answer.facts["ran"] == "2 times, on a and b"
    assert "the history of runs" in answer.looked_at


def test_why_finds_also_the_letter_of_a_task_id_used_again(plan):
    first = Letter(
        id=letter_id("t-1", 0),
        reason="failed",
        queue="default",
        died_at=10.0,
        body=b"1",
        digest="1",
        task_id="t-1",
    )
    again = Letter(
        id=letter_id("t-1", 0),
        reason="poison",
        queue="default",
        died_at=20.0,
        body=b"2",
        digest="2",
        task_id="t-1",
    )
    with closing(Records(plan.state, plan.folder)) as records:
        records.insert_letters([first, again])
        records.discard(first.id)
    answer = explain(plan, create_app(plan), "t-1")
    assert answer.verdict == "dead"
    assert sum(name.startswith("letter ") for name in answer.facts) == 2


@pytest.mark.parametrize("reason", ["forged", "forbidden", "unreadable"])
def test_a_message_that_proves_nothing_says_how_a_task_ended_only_where_nothing_else_does(plan, reason):
    def letter(name: str, died_at: float, task: str) -> Letter:
        made = letter_id(name, 0)
        return Letter(
            id=made,
            reason=name,
            queue="default",
            died_at=died_at,
            body=b"",
            digest="",
            task=task,
            task_id="t-1",
        )

    app = create_app(plan)
    with closing(Records(plan.state, plan.folder)) as records:
        records.insert_letters([letter(reason, 20.0, "shop.drop")])
        assert explain(plan, app, "t-1").sentence.startswith("shop.drop is dead")
        records.insert_letters([letter("failed", 10.0, "shop.add")])
        answer = explain(plan, app, "t-1")
        assert answer.sentence.startswith("shop.add is dead because it failed")
        assert sum(name.startswith("letter ") for name in answer.facts) == 2
    app.backend.store_result("t-2", 3, "SUCCESS")
    with closing(Records(plan.state, plan.folder)) as records:
        records.insert_letters([replace(letter(reason, 30.0, "shop.drop"), id="2", task_id="t-2")])
    assert explain(plan, app, "t-2").verdict == "succeeded"


def test_a_run_is_shown_by_the_beginning_of_its_id_with_its_family(plan):
    keep(plan, run(("succeeded", "a"), task_id="root"))
    keep(
        plan,
        *(run(("failed", "a"), task_id=f"child-{n}", root_id="root", parent_id="root") for n in range(3)),
    )
    with closing(History(plan)) as history:
        view = history.show("root", relatives=2)
        assert (len(view.family), view.family_count) == (2, 3)
        with pytest.raises(RecordsError, match="RECORD-010"):
            history.show("child")
        with pytest.raises(RecordsError, match="RECORD-011"):
            history.show("nobody")


def test_a_follower_sees_what_is_recorded_after_it_began_and_each_change_once(plan):
    import threading
    import time

    now = time.time()
    old = Run(task_id="old", history=(Sighting(now, "received"),))
    keep(plan, old)
    with closing(History(plan)) as history:
        following = history.follow(run_filter())
        later = Run(task_id="new", history=(Sighting(now - 1, "running"),))
        timer = threading.Timer(0.3, keep, (plan, old, later))
        timer.start()
        found = next(following)
        timer.join()
    assert found.run.task_id == "new", "told late, by a clock that is behind"
