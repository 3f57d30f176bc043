"""The sentence `celeriac why` answers with, for every state a task can be in."""

import os
import socket
import subprocess
import sys

import pytest

from celeriac.control.broker import called, is_alive, is_internal
from celeriac.control.verdict import Outcome, at_the_broker, ended, in_the_letters
from celeriac.plan import Plan
from celeriac.records import Letter
from celeriac.transports.view import ConsumerState, Whereabouts

PLAN = Plan()
NO_RESULT = Outcome(state="PENDING", result=None, done=None)


def consumer(pid: int = 0, host: str | None = None, queues=("default",)) -> ConsumerState:
    return ConsumerState(
        id="1",
        name="box:1",
        host=host or socket.gethostname(),
        pid=pid or os.getpid(),
        queues=queues,
        unacked=1,
        running=1,
    )


def place(state: str, **more) -> Whereabouts:
    fields = {
        "ahead": None,
        "due_at": None,
        "sent_at": 0.0,
        "consumer": None,
        "deliveries": 0,
        "queue": "default",
    }
    return Whereabouts(task="shop.add", state=state, **{**fields, **more})


def letter(**more) -> Letter:
    return Letter(
        **{
            "id": "L1",
            "reason": "failed",
            "queue": "default",
            "died_at": 0.0,
            "body": b"",
            "task": "shop.add",
            **more,
        }
    )


@pytest.fixture
def dead_pid() -> int:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    return gone.pid


@pytest.mark.parametrize(
    ("where", "outcome", "readers", "verdict", "words"),
    [
        (place("ready", ahead=0), NO_RESULT, 1, "waiting", "in queue default, next in line."),
        (place("ready", ahead=1), NO_RESULT, 1, "waiting", "behind 1 other."),
        (place("ready", ahead=7), NO_RESULT, 0, "waiting", "behind 7 others, and nobody reads that queue."),
        (place("delayed", due_at=1e9), NO_RESULT, 1, "delayed", "waits until 2001-09-"),
        (
            place("delayed", due_at=1e9),
            Outcome(state="RETRY", result=OSError(), done=None),
            1,
            "retrying",
            "failed",
        ),
        (
            place("fetched", consumer=consumer()),
            NO_RESULT,
            1,
            "fetched",
            "is with box:1, behind what that worker",
        ),
        (place("running", consumer=consumer()), NO_RESULT, 1, "running", "is running on box:1."),
        (place("ready", ahead=0, queue="celeriac.dead"), NO_RESULT, 0, "dead", "waits for the recorder"),
    ],
)
def test_where_a_task_is_at_the_broker(where, outcome, readers, verdict, words):
    said, sentence, next_step = at_the_broker(PLAN, where, outcome, {"default": readers})
    assert said == verdict
    assert words in sentence
    assert (next_step is not None) == (readers == 0)


def test_a_task_of_a_worker_that_died_is_not_called_running(dead_pid):
    where = place("running", consumer=consumer(pid=dead_pid))
    verdict, sentence, _ = at_the_broker(PLAN, where, NO_RESULT, {})
    assert verdict == "waiting"
    assert "which has died" in sentence


@pytest.mark.parametrize(
    ("died", "words"),
    [
        (letter(exception="builtins.ValueError", message="no"), "because it failed: ValueError: no."),
        (letter(attempts=4, exception="shop.Refused", message="x"), "it failed 4 times: shop.Refused: x."),
        (letter(reason="poison", deliveries=3), "it ended its worker 3 times."),
        (letter(reason="timeout"), "it ran past its hard time limit."),
        (letter(reason="unknown-task"), "no worker knows a task of that name."),
        (letter(reason="malformed", task=None), "The task is dead because its message cannot be read"),
        (letter(reason="rejected"), "it rejected itself."),
        (letter(reason="brand-new"), "because brand-new."),
    ],
)
def test_why_a_task_is_dead(died, words):
    verdict, sentence, next_step = in_the_letters(died)
    assert verdict == "dead"
    assert words in sentence
    assert "celeriac dead replay L1" in next_step


def test_a_discarded_letter_is_not_offered_for_replay():
    assert in_the_letters(letter(state="discarded"))[::2] == ("discarded", None)


@pytest.mark.parametrize(
    ("outcome", "letters", "seen", "verdict", "words"),
    [
        (Outcome(state="SUCCESS", result=1, done="noon"), [], True, "succeeded", "at noon"),
        (
            Outcome(state="SUCCESS", result=1, done=None),
            [letter(state="replayed")],
            True,
            "succeeded",
            "replayed",
        ),
        (Outcome(state="FAILURE", result=ValueError("no"), done=None), [], True, "failed", "ValueError: no"),
        (Outcome(state="REVOKED", result="expired", done=None), [], True, "expired", "expired"),
        (Outcome(state="REVOKED", result="terminated", done=None), [], True, "revoked", "revoked"),
        (Outcome(state="STARTED", result=None, done=None), [], True, "lost-sight", "last seen started"),
        (NO_RESULT, [letter(state="replayed")], True, "lost-sight", "last seen replayed"),
        (NO_RESULT, [], True, "unknown", "no queue, has no result and no letter"),
        (NO_RESULT, [], False, "unknown", "whether it waits at the broker cannot be said"),
    ],
)
def test_how_a_task_ended(outcome, letters, seen, verdict, words):
    said, sentence, _ = ended(outcome, letters, is_broker_seen=seen)
    assert said == verdict
    assert words in sentence


@pytest.mark.parametrize("said", ["no such Job: 4.", "no such Job: 4"])
def test_an_error_that_ends_its_own_sentence_does_not_end_ours_twice(said):
    _, dead, _ = in_the_letters(letter(exception="app.DoesNotExist", message=said))
    assert dead == "shop.add is dead because it failed: app.DoesNotExist: no such Job: 4."
    _, failed, _ = ended(
        Outcome(state="FAILURE", result=ValueError(said), done=None), [], is_broker_seen=True
    )
    assert failed == "It failed: ValueError: no such Job: 4. No letter was kept of it."


def test_a_consumer_is_called_by_its_mailbox_and_the_mailbox_is_not_shown():
    named = called(consumer(queues=("default", "web-1@box.celery.pidbox")))
    assert (named.name, named.queues) == ("web-1@box", ("default",))
    assert called(consumer()).name == "box:1"


def test_a_consumer_of_another_host_is_believed_to_live(dead_pid):
    assert is_alive(consumer(pid=dead_pid, host="elsewhere"))
    assert not is_alive(consumer(pid=dead_pid))
    assert is_alive(consumer())


def test_celerys_own_queues_are_told_from_the_teams():
    assert is_internal("web-1@box.celery.pidbox")
    assert is_internal("celeryev.1234")
    assert not is_internal("default")


@pytest.mark.parametrize("done", ["2026-11-21T01:39:05.875255+00:00", "2026-11-21T01:39:05.875255"])
def test_the_end_of_a_task_is_told_as_people_tell_time(done):
    _, sentence, _ = ended(Outcome(state="SUCCESS", result=None, done=done), [], is_broker_seen=True)
    assert "2026-11-21" in sentence
    assert ".875" not in sentence
    assert "T0" not in sentence
