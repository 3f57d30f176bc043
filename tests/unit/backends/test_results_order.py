"""The order of writes, held against a plain model of its three rules."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from celery.app.task import Context
from hypothesis import given, settings
from hypothesis import strategies as st

from celeriac.backends.order import NO_RUN, Run, run_of
from celeriac.backends.sqlite.order import STANDING, WRITE
from celeriac.backends.sqlite.schema import TABLES

STATES = ["STARTED", "PROGRESS", "RETRY", "FAILURE", "REVOKED", "SUCCESS"]

counts = st.integers(0, 2)
runs = st.one_of(
    st.just(NO_RUN), st.builds(Run, st.sampled_from(["a:0", "b:0", "a:1"]), counts, counts, counts)
)


def _put(connection: sqlite3.Connection, state: str, run: Run, *, now: float = 0.0) -> bool:
    values = {"task_id": "t", "state": state, "ready": 0, "payload": "", "expires_at": 100.0, "now": now}
    return connection.execute(WRITE, {**values, **run._asdict()}).rowcount > 0


def _tables() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.executescript(TABLES)
    return connection


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(STATES), runs), min_size=1, max_size=8))
def test_the_statement_follows_the_three_rules(writes: list[tuple[str, Run]]) -> None:
    connection = _tables()
    record: tuple[str, Run] | None = None
    for state, run in writes:
        if record is None:
            stands = True
        elif record[0] == "SUCCESS":
            stands = False
        else:
            comparable = run.line is not None and run.line == record[1].line
            stands = not (comparable and run[1:] < record[1][1:])
        row = connection.execute(STANDING, {"task_id": "t", "now": 0.0, **run._asdict()}).fetchone()
        would = row is None or (row[0] != "SUCCESS" and not row[2])
        assert would == stands
        assert _put(connection, state, run) == stands
        if stands:
            keeps_run = record is not None and run == NO_RUN
            record = (state, record[1] if keeps_run and record else run)
    connection.close()


def test_an_expired_success_is_no_record() -> None:
    connection = _tables()
    assert _put(connection, "SUCCESS", NO_RUN)
    assert not _put(connection, "FAILURE", NO_RUN, now=99.0)
    assert _put(connection, "FAILURE", NO_RUN, now=100.0)
    connection.close()


def test_a_run_is_read_from_the_request_of_its_own_task_only() -> None:
    request = Context(
        {
            "id": "t",
            "parent_id": "p",
            "retries": 2,
            "replaced_task_nesting": 1,
            "delivery_info": {"deliveries": 3},
            "celeriac-replay": 1,
        }
    )
    assert run_of("t", request) == Run("p:1", 1, 2, 3)
    assert run_of("another", request) == NO_RUN
    assert run_of("t", None) == NO_RUN


@pytest.mark.parametrize("hostile", [-1, "7", None, 1.5, [], {}, 10**40])
def test_a_hostile_count_in_a_header_cannot_break_a_write(hostile: Any) -> None:
    request = Context(
        {"id": "t", "retries": hostile, "celeriac-replay": hostile, "delivery_info": {"deliveries": hostile}}
    )
    connection = _tables()
    assert _put(connection, "STARTED", run_of("t", request))
    assert _put(connection, "SUCCESS", run_of("t", request))
    connection.close()


def test_a_retry_that_celery_made_its_own_parent_is_of_the_same_line():
    first, later = Context(id="t", parent_id=None, retries=0), Context(id="t", parent_id="t", retries=1)
    assert run_of("t", first).line == run_of("t", later).line, "else a late RETRY hides the FAILURE after it"
