"""100,000 runs on SQLite and Postgres: recorded, listed and pruned in the time the documentation gives."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from celeriac.observe.runs import read_run
from celeriac.records import PRUNED_AT_ONCE, RunFilter, Runs

RUNS = 100_000
#: runs in a transaction of the recorder, three events each
BATCH = 667


def told(number: int, began_at: float) -> list[dict]:
    """The events of one run, of a task that fails once in a hundred times."""
    task_id = f"{number * 2654435761 % 2**32:08x}-{number:027x}"
    of_task = {
        "uuid": task_id,
        "hostname": "w@h",
        "name": f"shop.t{number % 20}",
        "queue": "default",
        "retries": 0,
    }
    at = began_at + number / 100
    end = (
        {"type": "task-failed", "exception": "ValueError('x')"}
        if number % 100 == 0
        else {"type": "task-succeeded"}
    )
    return [
        {
            "type": "task-received",
            "timestamp": at,
            "args": "(1, 'a')",
            "kwargs": "{}",
            "root_id": task_id,
            **of_task,
        },
        {"type": "task-started", "timestamp": at + 0.01, **of_task},
        {"timestamp": at + 0.02, "runtime": 0.01, **end, **of_task},
    ]


@pytest.mark.soak
def test_a_hundred_thousand_runs_are_recorded_listed_and_pruned_quickly(records_url):
    runs = Runs(records_url)
    began_at = time.time() - 3600
    longest_s: dict[str, float] = {}

    def timed(what, act):
        start = time.monotonic()
        answer = act()
        longest_s[what] = max(longest_s.get(what, 0.0), time.monotonic() - start)
        return answer

    start = time.monotonic()
    for first in range(0, RUNS, BATCH):
        events = [event for n in range(first, min(first + BATCH, RUNS)) for event in told(n, began_at)]
        timed("commit", lambda events=events: runs.keep([read_run(event, "redacted") for event in events]))
    print(f"{records_url[:10]} recorded {RUNS / (time.monotonic() - start):.0f} runs a second")
    for what, wanted in (
        ("newest", RunFilter()),
        ("task", RunFilter(task="shop.t7*")),
        ("failed", RunFilter(states=("failed", "dead"))),
        ("text", RunFilter(text="ValueError")),
    ):
        assert len(timed(what, lambda wanted=wanted: runs.find(wanted))) == 50
        timed(f"count {what}", lambda wanted=wanted: runs.count(wanted))
    pruned = [timed("prune", lambda: runs.prune(timedelta(0)))]
    while pruned[-1] == PRUNED_AT_ONCE:
        pruned.append(timed("prune", lambda: runs.prune(timedelta(0))))
    runs.close()
    print({what: f"{1000 * span:.0f} ms" for what, span in longest_s.items()})
    assert sum(pruned) == RUNS
    assert max(span for what, span in longest_s.items() if what != "commit") < 2.0
    assert longest_s["commit"] < 10.0
