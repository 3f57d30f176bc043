"""Joining what was seen of a task: order and repetition make no difference, and the state follows from the whole."""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec.structs import replace

from celeriac.records import RUN_STATES, SIGHTINGS_MAX, Description, Mishap, Run, Sighting, joined
from celeriac.records.outcome import outcome_of

TIMES = some.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0])
SIGHTINGS = some.builds(
    Sighting,
    at=TIMES,
    state=some.sampled_from(RUN_STATES),
    worker=some.sampled_from([None, "a", "b"]),
    attempt=some.sampled_from([None, 1, 2]),
    generation=some.sampled_from([0, 1]),
    sent_at=some.none() | TIMES,
    run_s=some.none() | TIMES,
)
DESCRIPTIONS = some.builds(
    Description,
    is_full=some.booleans(),
    at=TIMES,
    task=some.sampled_from([None, "t", "u"]),
    parent_id=some.sampled_from([None, "p", "q"]),
    eta=some.none() | TIMES,
)
RUNS = some.builds(
    Run,
    task_id=some.just("id"),
    history=some.builds(lambda it: (it,), SIGHTINGS),
    description=DESCRIPTIONS,
    mishap=some.none() | some.builds(Mishap, at=TIMES, error=some.sampled_from([None, "e", "f"])),
)


def seen(*states: str, **more: object) -> Run:
    """A run that went through these states, one a second."""
    history = tuple(Sighting(float(at), state, **more) for at, state in enumerate(states, 1))
    return reduce(joined, [Run(task_id="id", history=(each,)) for each in history])


def state_of(*states: str) -> str:
    return outcome_of(seen(*states)).state


@settings(deadline=None)
@given(some.lists(RUNS, min_size=1, max_size=8), some.randoms(use_true_random=False))
def test_any_order_and_any_repetition_come_to_the_same_run(parts, random):
    expected = reduce(joined, parts)
    shuffled = [*parts, *random.choices(parts, k=3)]
    random.shuffle(shuffled)
    middle = len(shuffled) // 2
    left, right = reduce(joined, shuffled[:middle] or parts[:1]), reduce(joined, shuffled[middle:])
    assert joined(joined(left, right), expected) == joined(expected, joined(right, left))
    assert reduce(joined, shuffled) == expected if len(parts) > 1 else True


@settings(deadline=None)
@given(some.lists(RUNS, min_size=1, max_size=8))
def test_an_outcome_can_be_worked_out_of_anything_that_was_seen(parts):
    outcome = outcome_of(reduce(joined, parts))
    assert outcome.began_at <= outcome.seen_at
    assert outcome.wait_s is None or outcome.wait_s >= 0
    assert outcome.run_s is None or outcome.run_s >= 0


@pytest.mark.parametrize(
    ("states", "state"),
    [
        (["received"], "received"),
        (["received", "running"], "running"),
        (["received", "running", "retrying"], "retrying"),
        (["received", "running", "retrying", "received"], "received"),
        (["received", "running", "succeeded"], "succeeded"),
        (["succeeded", "failed"], "succeeded"),
        (["received", "running", "succeeded", "received", "running"], "succeeded"),
        (["failed", "dead"], "dead"),
        (["dead", "failed"], "dead"),
        (["revoked", "failed"], "failed"),
        (["running", "returned", "received"], "received"),
        (["failed", "received", "running"], "failed"),
    ],
)
def test_the_state_follows_celerys_precedence(states, state):
    assert state_of(*states) == state


def test_a_recorder_that_starts_late_still_gets_the_end_right():
    whole = seen("received", "running", "succeeded")
    late = Run(task_id="id", history=whole.history[-1:])
    assert outcome_of(late).state == "succeeded"
    assert outcome_of(late).ended_at == 3.0
    assert outcome_of(late).started_at is None


def test_a_replay_begins_a_life_of_its_own():
    dead = seen("received", "running", "dead", attempt=1)
    again = Run(
        task_id="id", history=(Sighting(9.0, "received", "b", 1, 1), Sighting(9.5, "running", "b", 1, 1))
    )
    outcome = outcome_of(joined(dead, again))
    assert (outcome.state, outcome.generation, outcome.attempts, outcome.worker) == ("running", 1, 1, "b")
    assert outcome.ended_at is None


def test_an_id_used_again_after_its_end_begins_anew_and_a_redelivery_does_not():
    done = seen("received", "running", "succeeded", sent_at=0.5)
    redelivered = Run(task_id="id", history=(Sighting(8.0, "received", "b", 1, 0, 0.5),))
    assert outcome_of(joined(done, redelivered)).state == "succeeded"
    sent_anew = Run(task_id="id", history=(Sighting(8.0, "received", "b", 1, 0, 7.5),))
    assert outcome_of(joined(done, sent_anew)).state == "received"


def test_a_send_that_is_told_late_is_no_news_of_a_task_that_runs_or_has_ended():
    sent = Sighting(3.0, "sent", attempt=1, sent_at=3.0)
    running = seen("received", "running", attempt=1)
    assert outcome_of(joined(running, Run(task_id="id", history=(sent,)))).state == "running"
    quick = replace(running, history=(*running.history, Sighting(2.5, "succeeded", "a", 1)))
    assert outcome_of(joined(quick, Run(task_id="id", history=(sent,)))).state == "succeeded"


def test_the_send_of_what_was_received_is_known_by_its_moment_whatever_the_senders_clock_says():
    ahead = 100.0
    history = (
        Sighting(1.0, "received", "a", 1, sent_at=ahead),
        Sighting(2.0, "running", "a", 1),
        Sighting(3.0, "succeeded", "a", 1),
        Sighting(ahead, "sent", None, 1, sent_at=ahead),
    )
    assert outcome_of(Run(task_id="id", history=history)).state == "succeeded"
    again = Sighting(ahead + 50, "sent", None, 1, sent_at=ahead + 50)
    assert outcome_of(Run(task_id="id", history=(*history, again))).state == "sent"


def test_a_later_attempt_is_later_though_its_hosts_clock_is_behind():
    first = Run(task_id="id", history=(Sighting(10.0, "retrying", "a", 1),))
    second = Run(task_id="id", history=(Sighting(9.0, "running", "b", 2),))
    assert outcome_of(joined(first, second)).state == "running"


def test_attempts_count_the_starts_and_what_says_how_many_there_were():
    assert outcome_of(seen("received", "running", "received", "running")).attempts == 2
    assert outcome_of(Run(task_id="id", history=(Sighting(1.0, "failed", None, 4),))).attempts == 4
    assert outcome_of(seen("received")).attempts == 0


def test_the_wait_counts_from_the_eta_if_that_is_later():
    run = seen("received", "running", sent_at=0.5)
    assert outcome_of(run).wait_s == 1.5
    assert outcome_of(replace(run, description=Description(eta=1.8))).wait_s == pytest.approx(0.2)
    assert outcome_of(replace(run, description=Description(eta=99.0))).wait_s == 0.0


def test_the_run_time_is_the_workers_own_else_from_start_to_end():
    assert outcome_of(seen("running", "failed")).run_s == 1.0
    timed = Run(task_id="id", history=(Sighting(5.0, "succeeded", run_s=0.25),))
    assert outcome_of(joined(seen("running"), timed)).run_s == 0.25
    assert outcome_of(seen("running")).run_s is None


def test_a_task_retried_without_end_keeps_its_newest_sightings():
    run = seen(*["running", "retrying"] * SIGHTINGS_MAX)
    assert len(run.history) == SIGHTINGS_MAX
    assert run.history[-1].at == 2.0 * SIGHTINGS_MAX


def test_the_message_itself_describes_a_task_better_than_what_happened_to_it_later():
    full = replace(seen("received"), description=Description(True, 1.0, "t", "q", args="(1,)"))
    later = replace(seen("running"), description=Description(False, 2.0, "t", "q"))
    assert joined(full, later).description.args == "(1,)"
    assert joined(later, full).description.args == "(1,)"
