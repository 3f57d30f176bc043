"""Letters on SQLite and Postgres: kept once, found again, changed only from the state they must be in."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from msgspec.structs import replace

from celeriac.clock import Clock
from celeriac.records import Letter, LetterFilter, Records

LETTER = Letter(
    id="a", reason="failed", queue="default", died_at=100.0, body=b"\x00\xff", task="shop.price", digest="one"
)
EVERY = LetterFilter()


class Now:
    """A wall clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def clock(self) -> Clock:
        return Clock(wall=lambda: self.now)


@pytest.fixture
def now():
    return Now()


@pytest.fixture
def records(records_url, now):
    records = Records(records_url, clock=now.clock())
    yield records
    records.close()


def test_a_letter_comes_back_as_it_went_in(records):
    letter = replace(LETTER, headers={"a": [1, None], "when": "2026"}, properties={"priority": 3}, attempts=4)
    assert records.insert_letters([letter]) == 1
    assert records.get("a") == replace(letter, recorded_at=1000.0)


def test_a_letter_inserted_again_is_kept_once(records):
    assert records.insert_letters([LETTER, LETTER]) == 1
    assert records.insert_letters([LETTER]) == 0
    assert records.count(EVERY) == 1


def test_the_same_death_captured_twice_is_one_letter_though_the_times_differ(records):
    records.insert_letters([LETTER])
    assert records.insert_letters([replace(LETTER, died_at=101.0)]) == 0


def test_another_message_under_the_same_id_is_kept_beside_it(records):
    other = replace(LETTER, body=b"other", digest="two")
    assert records.insert_letters([LETTER, other]) == 2
    assert records.insert_letters([other]) == 0, "captured twice, it still is one"
    assert {letter.body for letter in records.find(EVERY)} == {LETTER.body, b"other"}


def test_a_task_id_that_dies_again_after_its_letter_was_discarded_is_a_new_letter(records):
    records.insert_letters([LETTER])
    records.discard("a")
    assert records.insert_letters([LETTER]) == 0, "the old letter, delivered again"
    assert records.insert_letters([replace(LETTER, died_at=2000.0)]) == 1
    assert records.count(LetterFilter(states=("waiting",))) == 1


def test_of_two_claims_at_once_one_wins(records):
    records.insert_letters([LETTER])
    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(lambda token: records.claim("a", str(token), "default"), range(8)))
    assert won.count(True) == 1


def test_a_claim_taken_over_can_no_longer_be_settled_by_its_first_holder(records):
    records.insert_letters([LETTER])
    records.claim("a", "first", "default")
    assert records.take_over("a", "second", "first")
    assert not records.take_over("a", "third", "first")
    assert not records.settle("a", "first")
    assert records.settle("a", "second")
    assert records.get("a").state == "replayed"


def test_a_released_letter_waits_again(records):
    records.insert_letters([LETTER])
    records.claim("a", "mine", "other")
    assert records.release("a", "mine")
    assert records.get("a") == replace(LETTER, recorded_at=1000.0)


def test_a_claimed_letter_can_neither_be_discarded_nor_edited(records):
    records.insert_letters([LETTER])
    records.claim("a", "mine", "default")
    assert not records.discard("a")
    assert not records.amend(replace(LETTER, body=b"new"), None)


def test_an_edit_that_began_before_another_was_written_is_refused(records):
    records.insert_letters([LETTER])
    begun = records.get("a")
    assert records.amend(replace(begun, body=b"mine"), begun.edited_at)
    assert not records.amend(replace(begun, body=b"yours"), begun.edited_at)
    assert records.get("a").body == b"mine"


def test_pages_follow_each_other_without_gap_or_repeat_even_at_equal_times(records):
    records.insert_letters([replace(LETTER, id=f"{n:02}", died_at=float(n // 3)) for n in range(20)])
    seen, page = [], records.find(EVERY, limit=7)
    while page:
        seen += [letter.id for letter in page]
        page = records.find(EVERY, limit=7, after=page[-1])
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 20
    assert records.ids(EVERY) == sorted(seen)


@pytest.mark.parametrize("states", [None, ("waiting",), ("waiting", "replaying"), ("discarded", "waiting")])
def test_a_page_further_down_begins_where_the_one_before_it_ended_whatever_their_states(records, states):
    records.insert_letters([replace(LETTER, id=f"{n:02}", died_at=float(n // 3)) for n in range(20)])
    for n in range(0, 20, 4):
        records.discard(f"{n:02}")
        records.claim(f"{n + 1:02}", "token", "default")
    wanted = LetterFilter(states=states)
    pages = [[each.id for each in records.find(wanted, limit=7, skip=skip)] for skip in (0, 7, 14, 21)]
    assert [each for page in pages for each in page] == records.ids(wanted)[::-1]
    after = records.find(wanted, limit=3)[-1]
    assert records.find(wanted, limit=7, after=after, skip=2) == records.find(wanted, limit=7, skip=5)


def test_tasks_that_have_letters_are_named_once_each_in_order(records):
    assert records.tasks() == []
    records.insert_letters([replace(LETTER, id=f"{n}", task=("b", "a", None, "c")[n % 4]) for n in range(12)])
    assert records.tasks() == ["a", "b", "c"]
    assert records.tasks(limit=2) == ["a", "b"]


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (LetterFilter(task="shop.*"), {"a", "b"}),
        (LetterFilter(task="shop.pric?"), {"a"}),
        (LetterFilter(task="SHOP.*"), set()),
        (LetterFilter(task="x[ab]*"), {"d"}),
        (LetterFilter(task="x_"), {"e"}),
        (LetterFilter(queue="low"), {"c"}),
        (LetterFilter(reason="poison", task="*"), {"b"}),
        (LetterFilter(died_before=150.0), {"a", "c", "d", "e"}),
        (LetterFilter(died_after=150.0), {"b"}),
        (LetterFilter(ids=("a", "zz")), {"a"}),
        (LetterFilter(ids=()), set()),
        (LetterFilter(states=("discarded",)), set()),
        (LetterFilter(task_id="t-1"), {"c"}),
    ],
)
def test_a_filter_means_letters_that_meet_all_of_it(records, wanted, ids):
    records.insert_letters(
        [
            LETTER,
            replace(LETTER, id="b", task="shop.total", reason="poison", died_at=200.0),
            replace(LETTER, id="c", task=None, task_id="t-1", queue="low"),
            replace(LETTER, id="d", task="x[ab]c"),
            replace(LETTER, id="e", task="x_"),
        ],
    )
    assert {letter.id for letter in records.find(wanted)} == ids
    assert set(records.ids(wanted)) == ids
    assert records.count(wanted) == len(ids)


def test_counts_are_by_state_reason_task_and_queue(records):
    records.insert_letters([replace(LETTER, id=str(n), died_at=float(n)) for n in range(3)])
    records.insert_letters([replace(LETTER, id="low", queue="low")])
    first, second = records.counts(EVERY)
    assert (first.letters, first.queue, first.last_died_at) == (3, "default", 2.0)
    assert (second.letters, second.queue) == (1, "low")


def test_pruning_takes_settled_letters_past_their_keep_and_nothing_else(records, now):
    records.insert_letters([replace(LETTER, id=name) for name in ("old", "fresh", "waits", "claimed")])
    records.discard("old")
    now.now += 100
    records.claim("claimed", "mine", "default")
    records.claim("fresh", "mine", "default")
    records.settle("fresh", "mine")
    now.now += 50
    assert records.prune(timedelta(seconds=120)) == 1
    assert set(records.ids(EVERY)) == {"fresh", "waits", "claimed"}


def test_a_prefix_finds_ids_and_nothing_is_a_wildcard_in_it(records):
    records.insert_letters([replace(LETTER, id=name) for name in ("ab1", "ab2", "b")])
    assert records.with_prefix("ab") == ["ab1", "ab2"]
    assert records.with_prefix("%") == []


def test_headers_that_look_like_a_date_of_kombu_but_are_none_can_be_read_back(records):
    odd = {"when": {"__type__": "datetime", "__value__": "no"}, "what": {"__type__": "x", "__value__": 1}}
    records.insert_letters([replace(LETTER, headers=odd)])
    assert records.get("a").headers == odd


def test_headers_that_json_cannot_hold_are_kept_as_far_as_they_can(records):
    deep: list = []
    for _ in range(5000):
        deep = [deep]
    records.insert_letters([replace(LETTER, headers={"good": 1, "odd": object, "deep": deep})])
    headers = records.get("a").headers
    assert headers["good"] == 1
    assert set(headers) == {"good", "odd", "deep"}
