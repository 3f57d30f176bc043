"""The rate of a task as runs meet it: what counts, who waits, and for how long."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from celeriac import events
from celeriac.clock import Clock
from celeriac.coordination.sql import SqlCoordination
from celeriac.errors import FlowError, NotNow
from celeriac.flow import Flow
from celeriac.plan import Breaker, Plan, Policy

HOURLY = Policy(rate="1/h")


class Machine:
    """A clock that the test moves."""

    now = 1_800_000_000.0


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def store(tmp_path: Path, machine: Machine) -> Iterator[SqlCoordination]:
    clock = Clock(wall=lambda: machine.now, steady=lambda: machine.now)
    made = SqlCoordination(f"sqlite:///{tmp_path / 'state.db'}", clock=clock)
    yield made
    made.close()


def flow(store: SqlCoordination, **plan: object) -> Flow:
    return Flow(Plan(**{"name": "shop", "broker": "redis://h", **plan}), store)


def refusal(
    made: Flow, policy: Policy, task: str, task_id: str, patience: timedelta | None = None
) -> NotNow | None:
    try:
        with made.through(policy, task, task_id, patience):
            return None
    except NotNow as refused:
        return refused


def test_a_run_begins_and_the_next_waits_for_its_place(store, machine):
    made = flow(store)
    assert refusal(made, HOURLY, "search", "1") is None
    refused = refusal(made, HOURLY, "search", "2")
    assert refused is not None
    assert refused.code == "FLOW-005"
    assert timedelta(hours=1) <= refused.wait < timedelta(hours=1, seconds=2)
    machine.now += refused.wait.total_seconds()
    assert refusal(made, HOURLY, "search", "2") is None


def test_a_retry_of_a_task_counts_as_a_run_of_its_own(store):
    made = flow(store)
    assert refusal(made, HOURLY, "search", "1") is None
    assert refusal(made, HOURLY, "search", "1") is not None


def test_a_message_that_is_delivered_again_has_the_place_it_had(store, machine):
    made = flow(store)
    refusal(made, HOURLY, "search", "1")
    first = refusal(made, HOURLY, "search", "2")
    machine.now += 60
    again = refusal(made, HOURLY, "search", "2")
    assert first is not None
    assert again is not None
    assert again.wait == first.wait - timedelta(seconds=60)
    third = refusal(made, HOURLY, "search", "3")
    assert third is not None
    assert third.wait - again.wait < timedelta(hours=1, seconds=2), "it has one place, not two"


def test_each_task_and_each_plan_has_its_rate_for_itself(store):
    assert refusal(flow(store), HOURLY, "search.web", "1") is None
    assert refusal(flow(store), HOURLY, "search.images", "2") is None
    assert refusal(flow(store, name="other"), HOURLY, "search.web", "3") is None
    assert refusal(flow(store), HOURLY, "search.web", "4") is not None


def test_names_too_long_for_a_key_are_told_apart(store):
    made = flow(store)
    assert refusal(made, HOURLY, "x" * 1000 + "a", "i" * 1000 + "1") is None
    assert refusal(made, HOURLY, "x" * 1000 + "b", "i" * 1000 + "1") is None
    assert refusal(made, HOURLY, "x" * 1000 + "a", "i" * 1000 + "2") is not None


def test_who_expires_before_his_place_waits_until_then_and_takes_none(store):
    made = flow(store)
    refusal(made, HOURLY, "search", "1")
    hasty = refusal(made, HOURLY, "search", "2", timedelta(seconds=20))
    assert hasty is not None
    assert (hasty.code, hasty.wait) == ("FLOW-007", timedelta(seconds=20))
    next_one = refusal(made, HOURLY, "search", "3", timedelta(hours=2))
    assert next_one is not None
    assert next_one.wait < timedelta(hours=1, seconds=2)


@pytest.mark.parametrize(("broker", "longest"), [("amqp://h", timedelta(minutes=10)), ("redis://h", None)])
def test_where_delayed_tasks_wait_unacked_none_waits_longer_than_the_broker_allows(store, broker, longest):
    made = flow(store, broker=broker)
    refusal(made, HOURLY, "search", "1")
    refused = refusal(made, HOURLY, "search", "2")
    assert refused is not None
    assert refused.wait == longest if longest else refused.wait >= timedelta(hours=1)


def test_waiting_for_a_rate_is_no_failure_for_a_breaker_and_an_open_breaker_takes_no_place(store):
    made = flow(store)
    guarded = Policy(rate="1/h", breaker=Breaker(name="service", failures=1))
    assert refusal(made, guarded, "search", "1") is None
    for who in range(5):
        refused = refusal(made, guarded, "search", f"waits-{who}")
        assert refused is not None
        assert refused.code == "FLOW-005"
    with pytest.raises(KeyError), made.guarding(guarded.breaker):
        raise KeyError
    refused = refusal(made, guarded, "search", "kept out")
    assert refused is not None
    assert refused.code == "FLOW-001"
    assert made.rate("search", "1/h").place("kept out") is None


def test_without_the_store_nothing_runs_and_everything_waits_a_little(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    made = Flow(Plan(coordination=f"redis://127.0.0.1:{port}/0", folder=tmp_path))
    told = []
    events.listen("test", lambda room, event, fields: told.append((room, event, fields["task"])))
    try:
        refused = refusal(made, HOURLY, "search", "1")
    finally:
        events._listeners.pop("test")
    assert refused is not None
    assert refused.code == "FLOW-006"
    assert timedelta(seconds=2) < refused.wait <= timedelta(seconds=5)
    assert told == [("flow", "rate.blind", "search")]


def test_a_rate_that_is_none_runs_nothing(store):
    with pytest.raises(FlowError, match="FLOW-008"):
        refusal(flow(store), Policy(rate="5/d"), "search", "1")
