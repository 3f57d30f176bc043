"""Reading letters: whatever is on the queue becomes one, and the body stays to the byte."""

from types import SimpleNamespace
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celeriac import wire
from celeriac.clock import Clock
from celeriac.deadletters import read_letter
from celeriac.records import LetterFilter, Records

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
DEATH_KEYS = st.sampled_from(
    ["letter", "reason", "queue", "died_at", "exception", "message", "traceback", "attempts", "deliveries"]
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["task", "id", "root_id", "group", "retries", wire.GENERATION, wire.LETTER, "compression"]
    )
    | st.text(max_size=8),
    JSON,
    max_size=5,
)
CLOCK = Clock(wall=lambda: 5.0)


def message(body=b"[[], {}, {}]", headers=None, properties=None, content_type="application/json"):
    return SimpleNamespace(
        body=body,
        headers=headers or {},
        properties=properties or {},
        content_type=content_type,
        content_encoding="utf-8",
    )


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    records = Records("sqlite:///records.db", tmp_path_factory.mktemp("hostile"))
    yield records
    records.close()


@settings(max_examples=150, deadline=None)
@given(
    body=st.binary() | st.text() | st.none(),
    headers=HEADERS,
    death=st.none() | JSON | st.dictionaries(DEATH_KEYS, JSON, max_size=9),
    properties=st.dictionaries(st.text(max_size=8), JSON, max_size=3) | st.none(),
    content_type=st.sampled_from(["application/json", "application/x-python-serialize", None, 7]),
)
def test_any_message_becomes_a_letter_that_the_records_take(
    records, body, headers, death, properties, content_type
):
    headers = dict(headers) if death is None else {**headers, wire.DEATH: death}
    letter = read_letter(message(body, headers, properties, content_type), CLOCK)
    records.insert_letters([letter])
    found = records.find(LetterFilter(ids=(letter.id,)))
    assert found, "it is kept under its own id"
    if isinstance(body, bytes):
        assert letter.body == body


@pytest.mark.parametrize("headers", [None, [], "text", 7])
def test_headers_that_are_no_object_do_not_keep_a_letter_from_being_read(headers):
    letter = read_letter(
        message() if headers is None else SimpleNamespace(**{**vars(message()), "headers": headers})
    )
    assert letter.reason == "malformed"


def test_the_death_and_the_lineage_are_read():
    death = {"letter": "L", "reason": "timeout", "queue": "q", "died_at": 9, "attempts": 3, "worker": "w"}
    headers = {"task": "t", "id": "i", "root_id": "r", "parent_id": "p", "group": "g"}
    headers |= {wire.DEATH: death, wire.GENERATION: 2, wire.LETTER: "before"}
    letter = read_letter(message(headers=headers))
    assert (letter.id, letter.reason, letter.queue, letter.died_at) == ("L", "timeout", "q", 9.0)
    assert (letter.task, letter.task_id, letter.root_id, letter.parent_id) == ("t", "i", "r", "p")
    assert (letter.group_id, letter.generation, letter.replay_of) == ("g", 2, "before")
    assert (letter.attempts, letter.worker) == (3, "w")
    assert wire.DEATH not in letter.headers


def test_a_death_written_as_text_is_read_too():
    assert (
        read_letter(message(headers={wire.DEATH: '{"letter": "L", "reason": "poison"}'})).reason == "poison"
    )


def test_a_message_of_celerys_first_protocol_says_its_task_in_the_body():
    letter = read_letter(message(b'{"task": "t", "id": "i", "taskset": "g", "args": [], "kwargs": {}}'))
    assert (letter.task, letter.task_id, letter.group_id) == ("t", "i", "g")
    assert letter.id == wire.letter_id("i", 0)


def test_a_retry_that_names_itself_as_its_parent_has_none():
    assert read_letter(message(headers={"task": "t", "id": "i", "parent_id": "i"})).parent_id is None
    assert read_letter(message(headers={"task": "t", "id": "i", "parent_id": "p"})).parent_id == "p"


def test_without_a_task_id_the_brokers_long_id_names_the_letter_and_a_short_tag_does_not():
    long, short = {"delivery_tag": str(UUID(int=1))}, {"delivery_tag": "1-7"}
    assert read_letter(message(properties=long)).id == read_letter(message(properties=long)).id
    assert read_letter(message(properties=short)).id != read_letter(message(properties=short)).id


@pytest.mark.parametrize("died_at", [float("nan"), float("inf"), -1, 1e300, "soon", None])
def test_an_impossible_time_of_death_becomes_the_time_of_recording(died_at):
    assert read_letter(message(headers={wire.DEATH: {"died_at": died_at}}), CLOCK).died_at == 5.0


def test_an_id_that_no_column_would_hold_is_not_taken_from_the_message():
    headers = {"id": "i", wire.DEATH: {"letter": "x" * 65}}
    assert read_letter(message(headers=headers)).id == wire.letter_id("i", 0)
