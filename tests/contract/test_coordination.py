"""What every coordination store promises, run against each of them on its real server."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import pytest

from celeriac.coordination import ABSENT, Coordination, Pace, open_coordination

Eventually = Callable[..., object]
Answer = TypeVar("Answer")

LONG = timedelta(seconds=60)
SHORT = timedelta(milliseconds=60)


@pytest.fixture(params=["sqlite", "redis", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'deep' / 'state.db'}"
    if request.param == "redis":
        return str(request.getfixturevalue("redis_server").database(7))
    return str(request.getfixturevalue("postgres_server").new_database())


@pytest.fixture
def store(url: str) -> Iterator[Coordination]:
    opened = open_coordination(url)
    yield opened
    opened.close()


@pytest.fixture
def name() -> str:
    return f"shop/{uuid4()}"


def test_it_is_the_protocol(store: Coordination) -> None:
    assert isinstance(store, Coordination)


# Leases


def test_one_holder_at_a_time(store: Coordination, name: str) -> None:
    term = store.acquire(name, "a", LONG)
    assert term is not None
    assert (term.name, term.holder) == (name, "a")
    assert store.acquire(name, "b", LONG) is None
    assert store.current(name) == term


def test_nobody_holds_what_was_never_taken(store: Coordination, name: str) -> None:
    assert store.current(name) is None


def test_a_holder_who_asks_again_keeps_the_term(store: Coordination, name: str) -> None:
    first = store.acquire(name, "a", LONG)
    assert store.acquire(name, "a", LONG) == first


def test_numbers_grow_with_every_term(store: Coordination, name: str) -> None:
    numbers = []
    for holder in ("a", "b", "a", "a"):
        term = store.acquire(name, holder, LONG)
        assert term is not None
        numbers.append(term.number)
        assert store.release(term)
    assert numbers == sorted(set(numbers))


def test_a_released_lease_is_nobodys(store: Coordination, name: str) -> None:
    term = store.acquire(name, "a", LONG)
    assert term is not None
    assert store.release(term)
    assert store.current(name) is None
    assert not store.release(term)
    assert not store.renew(term, LONG)


def test_a_lease_lapses_and_passes_on(store: Coordination, name: str, eventually: Eventually) -> None:
    old = store.acquire(name, "a", SHORT)
    new = eventually(lambda: store.acquire(name, "b", LONG), within=60)
    assert old is not None
    assert new.number > old.number  # type: ignore[attr-defined]
    assert store.current(name) == new


def test_a_lapsed_leader_cannot_renew_even_if_nobody_followed(
    store: Coordination, name: str, eventually: Eventually
) -> None:
    term = store.acquire(name, "a", SHORT)
    assert term is not None
    eventually(lambda: store.current(name) is None, within=60)
    assert not store.renew(term, LONG)
    assert not store.release(term)


def test_a_lapsed_leader_gets_a_new_term(store: Coordination, name: str, eventually: Eventually) -> None:
    old = store.acquire(name, "a", SHORT)
    eventually(lambda: store.current(name) is None, within=60)
    new = store.acquire(name, "a", LONG)
    assert old is not None
    assert new is not None
    assert new.number > old.number
    assert not store.renew(old, LONG)


def test_a_lapsed_leader_cannot_end_the_next_term(
    store: Coordination, name: str, eventually: Eventually
) -> None:
    old = store.acquire(name, "a", SHORT)
    new = eventually(lambda: store.acquire(name, "b", LONG), within=60)
    assert old is not None
    assert not store.release(old)
    assert not store.renew(old, LONG)
    assert store.current(name) == new


def test_renewing_makes_a_short_lease_last(store: Coordination, name: str) -> None:
    ttl = timedelta(milliseconds=400)
    term = store.acquire(name, "a", ttl)
    assert term is not None
    ends = time.monotonic() + 0.9
    while time.monotonic() < ends:
        assert store.renew(term, ttl)
        assert store.acquire(name, "b", ttl) is None
    assert store.current(name) == term


def test_of_many_who_ask_at_once_one_gets_the_lease(url: str, name: str) -> None:
    got = _at_once(8, lambda store, who: store.acquire(name, f"holder-{who}", LONG), url)
    assert sum(term is not None for term in got) == 1


# Claims


def test_a_claim_is_one_owners_and_idempotent_for_him(store: Coordination, name: str) -> None:
    assert store.claim(name, "a", LONG)
    assert store.claim(name, "a", LONG)
    assert not store.claim(name, "b", LONG)


def test_only_the_owner_gives_a_claim_up(store: Coordination, name: str) -> None:
    assert store.claim(name, "a", LONG)
    assert not store.unclaim(name, "b")
    assert store.unclaim(name, "a")
    assert not store.unclaim(name, "a")
    assert store.claim(name, "b", LONG)


def test_a_claim_lapses(store: Coordination, name: str, eventually: Eventually) -> None:
    assert store.claim(name, "a", SHORT)
    eventually(lambda: store.claim(name, "b", LONG), within=60)
    assert not store.unclaim(name, "a")


def test_of_many_who_claim_at_once_one_owns(url: str, name: str) -> None:
    got = _at_once(8, lambda store, who: store.claim(name, f"owner-{who}", LONG), url)
    assert sum(got) == 1


# Documents


def test_a_document_is_made_once_and_changed_by_who_has_read_it(store: Coordination, name: str) -> None:
    assert store.load(name) is None
    assert store.swap(name, ABSENT, b"one")
    assert not store.swap(name, ABSENT, b"other")
    first = store.load(name)
    assert first is not None
    assert first.value == b"one"
    assert store.swap(name, first.version, b"\x00\xff two")
    assert not store.swap(name, first.version, b"three")
    second = store.load(name)
    assert second is not None
    assert second.value == b"\x00\xff two"
    assert second.version not in (first.version, ABSENT)


def test_a_document_that_is_not_there_cannot_be_changed(store: Coordination, name: str) -> None:
    assert not store.swap(name, 17, b"one")
    assert store.load(name) is None


def test_a_document_lapses_and_its_version_never_comes_back(
    store: Coordination, name: str, eventually: Eventually
) -> None:
    assert store.swap(name, ABSENT, b"one", SHORT)
    first = store.load(name)
    eventually(lambda: store.load(name) is None, within=60)
    assert first is None or not store.swap(name, first.version, b"two")
    assert store.swap(name, ABSENT, b"one")
    again = store.load(name)
    assert again is not None
    assert first is None or again.version != first.version


def test_a_document_that_is_kept_for_ever_loses_its_earlier_ttl(
    store: Coordination, name: str, eventually: Eventually
) -> None:
    assert store.swap(name, ABSENT, b"short", timedelta(milliseconds=300))
    read = store.load(name)
    assert read is not None
    assert store.swap(name, read.version, b"long")
    assert store.swap(f"{name}/other", ABSENT, b"a later one", timedelta(milliseconds=400))
    eventually(lambda: store.load(f"{name}/other") is None, within=60)
    assert store.load(name) is not None


def test_of_many_who_swap_at_once_one_writes(url: str, name: str) -> None:
    with_version = open_coordination(url)
    assert with_version.swap(name, ABSENT, b"start")
    read = with_version.load(name)
    assert read is not None
    got = _at_once(8, lambda store, who: store.swap(name, read.version, f"by {who}".encode()), url)
    written = with_version.load(name)
    assert written is not None
    assert sorted(got) == [ABSENT] * 7 + [written.version]
    with_version.close()


def test_under_a_term_only_its_holder_writes(store: Coordination, name: str) -> None:
    term = store.acquire(name, "a", LONG)
    assert term is not None
    assert store.swap(name, ABSENT, b"one", under=term)
    read = store.load(name)
    assert read is not None
    assert not store.swap(name, read.version, b"two", under=term._replace(number=term.number - 1))
    assert not store.swap(name, read.version, b"two", under=term._replace(holder="b"))
    assert store.swap(name, read.version, b"two", under=term)


def test_after_its_term_nobody_writes_under_it(
    store: Coordination, name: str, eventually: Eventually
) -> None:
    old = store.acquire(name, "a", SHORT)
    eventually(lambda: store.current(name) is None, within=60)
    assert not store.swap(name, ABSENT, b"late", under=old)
    new = store.acquire(name, "b", LONG)
    assert not store.swap(name, ABSENT, b"late", under=old)
    assert store.swap(name, ABSENT, b"in time", under=new)


# Counters


def test_amounts_add_up_and_nothing_is_lost_between_threads(url: str, store: Coordination, name: str) -> None:
    assert store.add(name, LONG, 0) == 0
    totals = _at_once(6, lambda opened, _who: [opened.add(name, LONG) for _ in range(5)][-1], url)
    assert max(totals) == 30
    assert store.add(name, LONG, 12) == 42
    assert store.add(name, LONG, 0) == 42


def test_what_was_counted_leaves_the_window(store: Coordination, name: str, eventually: Eventually) -> None:
    span = timedelta(milliseconds=200)
    assert store.add(name, span, 5) == 5
    eventually(lambda: store.add(name, span, 0) == 0, within=60)
    assert store.add(name, span, 2) == 2


def test_the_window_slides(store: Coordination, name: str) -> None:
    span = timedelta(seconds=1)
    began = time.monotonic()
    counted = [store.add(name, span)]
    while time.monotonic() - began < 0.85:
        counted.append(store.add(name, span))
    # All of it lies within nine tenths of the span, however the buckets fall.
    assert time.monotonic() - began > 0.9 or counted == list(range(1, len(counted) + 1))


def test_counts_are_cleared(store: Coordination, name: str) -> None:
    store.add(name, LONG, 3)
    store.clear(name)
    assert store.add(name, LONG, 1) == 1


# Turns

NOW = timedelta()
#: one start an hour; whoever comes second waits through the whole test
HOURLY = Pace(timedelta(hours=1), NOW)


def close_to(wait: timedelta | None, said: timedelta) -> bool:
    """Say whether a wait is what was said less what the test has taken since, on a busy machine."""
    return wait is not None and said - timedelta(seconds=30) < wait <= said


def test_one_starts_and_the_others_are_given_places_in_order(store: Coordination, name: str) -> None:
    assert store.take_turn(name, "first", HOURLY) == NOW
    for place in (1, 2, 3):
        wait = store.take_turn(name, f"waits-{place}", HOURLY)
        assert close_to(wait, timedelta(hours=place)), (place, wait)


def test_who_asks_again_before_his_time_has_the_same_place(store: Coordination, name: str) -> None:
    store.take_turn(name, "first", HOURLY)
    first = store.take_turn(name, "a", HOURLY)
    again = store.take_turn(name, "a", HOURLY)
    assert again <= first
    assert close_to(store.take_turn(name, "b", HOURLY), first + timedelta(hours=1))


def test_who_starts_and_asks_once_more_comes_anew(store: Coordination, name: str) -> None:
    assert store.take_turn(name, "a", HOURLY) == NOW
    assert store.place(name, "a") is None
    assert close_to(store.take_turn(name, "a", HOURLY), timedelta(hours=1))


def test_a_place_is_told_to_who_looks_and_looking_changes_nothing(store: Coordination, name: str) -> None:
    assert store.place(name, "a") is None
    assert store.take_turn(name, "first", HOURLY) == NOW
    assert store.place(name, "a") is None
    store.take_turn(name, "a", HOURLY)
    assert close_to(store.place(name, "a"), timedelta(hours=1))
    assert store.place(name, "first") is None


def test_who_cannot_wait_so_long_takes_no_place(store: Coordination, name: str) -> None:
    store.take_turn(name, "first", HOURLY)
    assert close_to(store.take_turn(name, "hasty", HOURLY, timedelta(minutes=5)), timedelta(hours=1))
    assert store.place(name, "hasty") is None
    assert close_to(store.take_turn(name, "patient", HOURLY, timedelta(minutes=61)), timedelta(hours=1))
    assert store.place(name, "patient") is not None


def test_a_pace_with_slack_lets_some_start_at_once(store: Coordination, name: str) -> None:
    pace = Pace(timedelta(hours=1), timedelta(hours=3))
    waits = [store.take_turn(name, str(who), pace) for who in range(5)]
    assert [wait == NOW for wait in waits] == [True] * 4 + [False]


def test_a_place_that_is_due_starts_and_is_used_up(
    store: Coordination, name: str, eventually: Eventually
) -> None:
    pace = Pace(timedelta(milliseconds=150), NOW)
    store.take_turn(name, "first", pace)
    assert store.take_turn(name, "a", pace) > NOW
    eventually(lambda: store.take_turn(name, "a", pace) == NOW, within=60)
    assert store.place(name, "a") is None


def test_all_who_come_back_too_late_at_once_start_no_closer_than_the_pace(
    store: Coordination, name: str, eventually: Eventually
) -> None:
    pace = Pace(timedelta(milliseconds=100), timedelta(milliseconds=20))
    names = [str(who) for who in range(8)]
    for who in names:
        store.take_turn(name, who, pace)
    eventually(lambda: not any(store.place(name, who) for who in names), within=60)
    waits = [store.take_turn(name, who, pace) for who in names if store.place(name, who) is not None]
    assert [wait == NOW for wait in waits].count(True) <= 2, "the rest has places once more"
    started: list[float] = []
    waiting = [who for who in names if store.place(name, who) is not None]
    while waiting:
        for who in tuple(waiting):
            if store.take_turn(name, who, pace) == NOW:
                started.append(time.monotonic())
                waiting.remove(who)
    # By their ends: an answer that was long on its way makes two seem closer by as much.
    assert started[-1] - started[0] >= 0.1 * (len(started) - 1) - 0.05


def test_now_and_then_a_place_is_left_free_and_given_to_who_comes_late(
    store: Coordination, name: str, eventually: Eventually
) -> None:
    for who in range(51):
        store.take_turn(name, str(who), HOURLY)
    assert close_to(store.take_turn(name, "over the gap", HOURLY), timedelta(hours=52)), "51 is left free"
    pace = Pace(timedelta(milliseconds=300), NOW)
    for who in range(54):
        store.take_turn(f"{name}/quick", str(who), pace)
    eventually(lambda: store.place(f"{name}/quick", "3") == NOW, within=60)
    waits = [store.take_turn(f"{name}/quick", str(who), pace) for who in (1, 2)]
    end = store.place(f"{name}/quick", "53")
    assert min(waits) == NOW
    assert end is not None
    assert NOW < max(waits) < end, "he goes before the last of the line"


def test_a_pace_that_changes_keeps_nobody_new_behind_the_old_line(store: Coordination, name: str) -> None:
    for who in range(5):
        store.take_turn(name, str(who), HOURLY)
    quicker = Pace(timedelta(minutes=1), NOW)
    assert close_to(store.take_turn(name, "new", quicker), timedelta(minutes=1))
    assert close_to(store.take_turn(name, "newer", quicker), timedelta(minutes=2))


def test_of_many_who_ask_at_once_each_has_a_place_of_his_own(url: str, name: str) -> None:
    waits = _at_once(
        6, lambda store, who: [store.take_turn(name, f"{who}-{each}", HOURLY) for each in range(5)], url
    )
    hours = sorted(wait / timedelta(hours=1) for each in waits for wait in each)
    assert hours[0] == 0
    assert all(later - sooner > 0.9 for sooner, later in pairwise(hours)), hours


# Trouble


@pytest.fixture(params=["redis", "postgres"])
def frozen_client(request: pytest.FixtureRequest) -> str:
    if request.param == "redis":
        return str(request.getfixturevalue("redis_server").database(7))
    return str(request.getfixturevalue("postgres_server").new_database())


def test_a_client_that_freezes_inside_a_step_holds_nobody_up(frozen_client: str, name: str) -> None:
    """Not so on SQLite, where a frozen process keeps the lock of the file: docs/internals/lease.md."""
    code = (
        "import os, signal, sys\n"
        "from datetime import timedelta\n"
        "from celeriac.coordination import open_coordination\n"
        "store = open_coordination(sys.argv[1])\n"
        "store.acquire(sys.argv[2], 'frozen', timedelta(seconds=1))\n"
        "print('leads', flush=True)\n"
        "if hasattr(store, '_engine'):\n"
        "    from sqlalchemy import event\n"
        "    event.listen(store._engine, 'commit', lambda _: os.kill(os.getpid(), signal.SIGSTOP))\n"
        "    store.acquire(sys.argv[2], 'frozen', timedelta(seconds=1))\n"
        "else:\n"
        "    os.kill(os.getpid(), signal.SIGSTOP)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, frozen_client, name], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "leads\n"
    store = open_coordination(frozen_client)
    try:
        eventually_taken(store, name)
    finally:
        child.kill()
        child.wait(10)
        store.close()


def eventually_taken(store: Coordination, name: str) -> None:
    deadline = time.monotonic() + 10
    while store.acquire(name, "other", LONG) is None:
        assert time.monotonic() < deadline, "the frozen client still holds it"


# Processes


def test_a_forked_child_uses_the_store_beside_its_parent(store: Coordination, url: str, name: str) -> None:
    term = store.acquire(name, "parent", LONG)
    assert term is not None
    context = get_context("fork")
    answers = context.Queue()

    def ask() -> None:
        answers.put(store.acquire(name, "child", LONG) is None and store.claim(name, "child", LONG))

    child = context.Process(target=ask)
    child.start()
    for _ in range(20):
        assert store.renew(term, LONG)
    assert answers.get(timeout=20) is True
    child.join(20)
    assert not store.claim(name, "parent", LONG)


def _at_once(count: int, ask: Callable[[Coordination, int], Answer], url: str) -> list[Answer]:
    """Ask from `count` threads, each with a store of its own, all at the same moment."""
    barrier = threading.Barrier(count)
    answers: list[Answer] = []

    def run(who: int) -> None:
        store = open_coordination(url)
        barrier.wait(10)
        answers.append(ask(store, who))
        store.close()

    threads = [threading.Thread(target=run, args=(who,)) for who in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(answers) == count, "a thread failed; its error is above"
    return answers
