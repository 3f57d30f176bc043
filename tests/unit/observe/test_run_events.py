"""Reading runs from events: what Celery sends, what anybody may send, and arguments as the plan lets them be kept."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from celeriac.observe.arguments import CHARS_MAX, kept, redacted_arguments
from celeriac.observe.runs import TRACEBACK_CHARS_MAX, Unreadable, events_in, read_run
from celeriac.records import Run, RunFilter, Runs

EVENT = {"type": "task-started", "uuid": "a", "timestamp": 100.0, "hostname": "web-1@h"}
ANYTHING = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = (
    "uuid", "timestamp", "hostname", "name", "queue", "args", "kwargs", "retries", "generation", "sent_at", "eta",
    "expires", "exception", "traceback", "runtime", "root_id", "parent_id", "group_id", "replay_of", "expired",
)  # fmt: skip
TYPES = (
    "task-sent",
    "task-received",
    "task-succeeded",
    "task-failed",
    "task-revoked",
    "task-rejected",
    "worker-online",
)


def run(**fields) -> Run:
    found = read_run(EVENT | fields, "full")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"type": "task-sent"}, "sent"),
        ({"type": "task-received"}, "received"),
        ({"type": "task-started"}, "running"),
        ({"type": "task-succeeded", "runtime": 0.5}, "succeeded"),
        ({"type": "task-failed"}, "failed"),
        ({"type": "task-retried"}, "retrying"),
        ({"type": "task-revoked", "expired": False, "terminated": True}, "revoked"),
        ({"type": "task-revoked", "expired": True}, "expired"),
        ({"type": "task-rejected", "requeue": True}, "returned"),
        ({"type": "task-rejected", "requeue": False}, "rejected"),
        ({"type": "task-cancelled"}, "returned"),
    ],
)
def test_every_event_of_a_task_is_a_state_of_its_run(fields, state):
    assert run(**fields).history[0].state == state


def test_a_send_happened_when_the_message_says_and_not_when_it_was_told():
    (told,) = run(type="task-sent", sent_at=99.5).history
    assert (told.at, told.sent_at) == (99.5, 99.5)
    (by_stock,) = run(type="task-sent").history
    assert (by_stock.at, by_stock.sent_at) == (100.0, 100.0)


def test_events_that_are_of_no_task_tell_of_no_run():
    assert read_run({"type": "worker-heartbeat", "hostname": "w"}, "full") is None
    assert read_run({"type": "task-somehow-else", "uuid": "a"}, "full") is None


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (None, "it is no event"),
        ([], "it is no event"),
        ({"uuid": "a"}, "it has no type"),
        ({**EVENT, "type": ["task-sent"]}, "it has no type"),
        ({**EVENT, "uuid": 7}, "it names no task"),
        ({**EVENT, "uuid": ""}, "it names no task"),
        ({**EVENT, "uuid": "x" * 513}, "its task id is too long"),
        ({**EVENT, "timestamp": None}, "it has no time"),
        ({**EVENT, "timestamp": True}, "it has no time"),
        ({**EVENT, "timestamp": float("nan")}, "it has no time"),
        ({**EVENT, "timestamp": 10**400}, "it has no time"),
        ({**EVENT, "timestamp": -1}, "it has no time"),
    ],
)
def test_what_does_not_say_of_which_task_or_when_is_refused_with_its_reason(event, reason):
    with pytest.raises(Unreadable, match=reason):
        read_run(event, "full")


def test_what_is_told_of_a_task_is_kept_within_bounds():
    found = run(
        type="task-received",
        name="n" * 9000,
        args="a" * 9000,
        hostname="\0\ud800",
        eta="2026-01-01T00:00:00+00:00",
    )
    assert len(found.description.task) == 512
    assert len(found.description.args) == CHARS_MAX
    assert found.history[0].worker == "\\x00\\ud800"
    assert found.description.eta == 1767225600.0
    failed = run(type="task-failed", exception="e" * 9999, traceback="x" * 50_000 + "ValueError: the end")
    assert failed.mishap.traceback.endswith("the end")
    assert len(failed.mishap.traceback) <= TRACEBACK_CHARS_MAX + 1


@settings(deadline=None, max_examples=60)
@given(some.sampled_from(TYPES), some.dictionaries(some.sampled_from(FIELDS), ANYTHING))
def test_no_event_makes_the_reader_raise_anything_else_and_what_it_gives_can_be_kept(kept_runs, kind, fields):
    try:
        found = read_run({"type": kind, "uuid": "a", "timestamp": 1.0} | fields, "redacted")
    except Unreadable:
        return
    if found is not None:
        assert kept_runs.keep([found]) == 1


@pytest.fixture(scope="module")
def kept_runs(tmp_path_factory):
    runs = Runs("sqlite:///records.db", tmp_path_factory.mktemp("records"))
    yield runs
    assert runs.count(RunFilter()) > 0
    runs.close()


@pytest.mark.parametrize(
    "body",
    [
        b'[{"type": "a"}, {"type": "b"}]',
        '[{"type": "a"}, {"type": "b"}]',
        b'[{"type": "a", "x": "\\ud800"}, {"type": "b"}]',
        b'[{"type": "a", "x": NaN}, {"type": "b"}]',
        b'[{"type": "a", "x": "\xff"}, {"type": "b"}]',
    ],
)
def test_odd_texts_do_not_take_the_other_events_of_their_message_along(body):
    assert [event["type"] for event in events_in(body)] == ["a", "b"]


@pytest.mark.parametrize("body", [b"", b"{", b"\x80\x04", b"[" * 100_000, json.dumps("x" * 10)[:-1]])
def test_a_message_that_is_no_json_is_refused(body):
    with pytest.raises(Unreadable, match="it is no JSON"):
        list(events_in(body))


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("(1, 2.5, True, None)", "(1, 2.5, True, None)"),
        ("('alice@example.com', b'xy')", "('…17', '…2')"),
        ("{'order': 12, 'name': 'Al'}", "{'order': 12, 'name': '…2'}"),
        ("{'password': 1234, 'id': 5}", "{'password': …, 'id': 5}"),
        ("{'api_key': ['x', 7], 'n': 1}", "{'api_key': ['…', …], 'n': 1}"),
        ("(4111111111111111,)", "(…,)"),
        ("(<User: bob>, Decimal('1.5'))", "(…: …, …('…3'))"),
        ("('cut off in the mid", "('…18'"),
        ('{"it\'s": \'a "b"\'}', "{'…4': '…5'}"),
        ("('',)", "('',)"),
    ],
)
def test_redacted_arguments_show_numbers_and_shape_and_no_texts(written, shown):
    assert redacted_arguments(written) == shown


@settings(deadline=None)
@given(some.text(alphabet=some.characters(codec="utf-8"), min_size=4, max_size=30), some.integers(0, 40))
def test_no_text_is_left_wherever_the_arguments_were_cut_off(secret, end):
    whole = repr((1, f"zq{secret}zq", {"k": f"zq{secret}zq"}))
    assert "zq" not in redacted_arguments(whole[:end])
    assert "zq" not in redacted_arguments(whole)


def test_the_plan_says_how_arguments_are_kept():
    assert kept("('a',)", "none") is None
    assert kept("('a',)", "redacted") == "('…1',)"
    assert kept("('a',)", "full") == "('a',)"
    assert kept(None, "full") is None
