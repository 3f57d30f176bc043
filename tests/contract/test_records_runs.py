"""The records of runs on SQLite and Postgres: joined with what is there, found, pruned, and ended by their letters."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from msgspec.structs import replace

from celeriac.clock import Clock
from celeriac.records import (
    PRUNED_AT_ONCE,
    Description,
    Letter,
    Mishap,
    Records,
    Run,
    RunFilter,
    Runs,
    Sighting,
)

EVERY = RunFilter()
LETTER = Letter(
    id="letter",
    reason="timeout",
    queue="low",
    died_at=30.0,
    body=b"",
    digest="d",
    task="shop.price",
    task_id="a",
    exception="TimeLimitExceeded",
    message="60",
    worker="w1",
    attempts=2,
)


@pytest.fixture
def runs(records_url):
    runs = Runs(records_url, clock=Clock(wall=lambda: 1000.0))
    yield runs
    runs.close()


@pytest.fixture
def letters(records_url):
    records = Records(records_url)
    yield records
    records.close()


def run(task_id="a", *sightings, **described):
    """A run seen in these (time, state)s."""
    history = tuple(Sighting(at, state, "w1") for at, state in sightings or [(1.0, "received")])
    return Run(
        task_id=task_id,
        history=history,
        description=Description(True, history[0].at, **{"task": "shop.price", "queue": "low", **described}),
    )


def ids(found):
    return [each.run.task_id for each in found]


def test_a_run_comes_back_as_it_went_in(runs):
    whole = replace(
        run("a", (1.0, "received"), (2.0, "running"), (4.5, "failed"), eta=1.5, args="(1,)", root_id="r"),
        mishap=Mishap(4.5, "ValueError('é')", "Traceback…"),
    )
    assert runs.keep([whole]) == 1
    seen = runs.get("a")
    assert seen.run == whole
    assert (seen.outcome.state, seen.outcome.run_s, seen.outcome.attempts) == ("failed", 2.5, 1)
    assert runs.get("b") is None


def test_parts_that_come_late_twice_or_in_any_order_make_one_run(runs):
    parts = [run("a", part) for part in [(3.0, "succeeded"), (1.0, "received"), (2.0, "running")]]
    runs.keep(parts[:1])
    runs.keep([parts[1], parts[1], parts[2]])
    runs.keep(parts)
    seen = runs.get("a")
    assert [sighting.state for sighting in seen.run.history] == ["received", "running", "succeeded"]
    assert runs.count(EVERY) == 1


def test_recorders_that_keep_the_same_runs_at_once_lose_nothing(runs, records_url):
    def keep(number):
        own = Runs(records_url)
        for task in range(10):
            own.keep([run(f"t{task}", (float(number), "running"))])
        own.close()

    runs.count(EVERY)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(keep, range(1, 5)))
    assert runs.count(EVERY) == 10
    assert all(seen.outcome.attempts == 4 for seen in runs.find(EVERY))


def test_a_letter_ends_the_run_that_is_on_record(runs, letters):
    runs.keep([run("a", (1.0, "received"), (2.0, "running"))])
    letters.insert_letters([LETTER])
    seen = runs.get("a")
    assert (seen.outcome.state, seen.outcome.ended_at, seen.outcome.attempts) == ("dead", 30.0, 2)
    assert seen.run.mishap.error == "TimeLimitExceeded: 60"


def test_a_run_that_is_recorded_after_its_letter_finds_it(runs, letters):
    letters.insert_letters([LETTER])
    assert runs.count(EVERY) == 0, "a letter alone makes no run"
    runs.keep([run("a", (1.0, "received"), (2.0, "running"))])
    assert runs.get("a").outcome.state == "dead"


def test_pages_follow_each_other_without_gap_or_repeat_even_at_equal_times(runs):
    runs.keep([run(f"{n:02}", (float(n // 3), "received")) for n in range(20)])
    found, page = [], runs.find(EVERY, limit=7)
    while page:
        found += ids(page)
        page = runs.find(EVERY, limit=7, after=page[-1])
    assert found == sorted(found, reverse=True)
    assert len(found) == 20
    assert [each for skip in (0, 7, 14, 21) for each in ids(runs.find(EVERY, limit=7, skip=skip))] == found
    assert (runs.count(EVERY), runs.count(EVERY, at_most=20), runs.count(EVERY, at_most=19)) == (20, 20, 19)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (RunFilter(task="shop.*"), {"a", "b"}),
        (RunFilter(task="SHOP.*"), set()),
        (RunFilter(task="other_"), {"d"}),
        (RunFilter(states=("failed", "dead")), {"b"}),
        (RunFilter(states=()), set()),
        (RunFilter(queue="high"), {"c"}),
        (RunFilter(worker="w?"), {"a", "b", "c", "d"}),
        (RunFilter(worker="x*"), set()),
        (RunFilter(seen_after=5.0), {"b", "c"}),
        (RunFilter(seen_before=5.0), {"a", "d"}),
        (RunFilter(ran_s=2.0), {"b"}),
        (RunFilter(ran_s=4.0), set()),
        (RunFilter(text="KEYERROR"), {"b"}),
        (RunFilter(text="100%"), {"c"}),
        (RunFilter(text="%"), {"c"}),
        (RunFilter(root_id="r"), {"d"}),
        (RunFilter(group_id="g"), {"d"}),
        (RunFilter(task="shop.*", states=("received",)), {"a"}),
    ],
)
def test_a_filter_means_runs_that_meet_all_of_it(runs, wanted, expected):
    runs.keep(
        [
            run("a"),
            replace(
                run("b", (1.0, "running"), (4.0, "failed"), (6.0, "returned")),
                mishap=Mishap(4.0, "KeyError('x')"),
            ),
            run("c", (5.0, "received"), task=None, queue="high", args="('100%',)"),
            run("d", task="other_", root_id="r", group_id="g"),
        ]
    )
    assert set(ids(runs.find(wanted))) == expected
    assert runs.count(wanted) == len(expected)


def test_a_prefix_finds_ids_and_nothing_is_a_wildcard_in_it(runs):
    runs.keep([run(name) for name in ("ab1", "ab2", "b")])
    assert runs.with_prefix("ab") == ["ab1", "ab2"]
    assert runs.with_prefix("_") == []


def test_pruning_goes_in_steps_and_takes_only_what_is_past_its_keep(runs):
    runs.keep([run(f"old-{n}", (n / 1e5, "received")) for n in range(PRUNED_AT_ONCE + 5)])
    runs.keep([run("fresh", (0.001, "received"), (900.0, "running"))])
    assert runs.prune(timedelta(seconds=1000)) == 0, "nothing is that old"
    keep = timedelta(seconds=500)
    assert [runs.prune(keep) for _ in range(3)] == [PRUNED_AT_ONCE, 5, 0]
    assert ids(runs.find(EVERY)) == ["fresh"]
