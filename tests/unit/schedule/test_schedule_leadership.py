"""The states of a beat: docs/internals/lease.md, walked by a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from celeriac.clock import Clock
from celeriac.coordination.sql import SqlCoordination
from celeriac.errors import CoordinationUnavailable
from celeriac.schedule.leadership import Leadership

TTL = timedelta(seconds=10)


class Time:
    def __init__(self) -> None:
        self.now = 1000.0
        self.clock = Clock(wall=lambda: self.now + 1e9, steady=lambda: self.now)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def store(tmp_path: Path, time: Time) -> Iterator[SqlCoordination]:
    made = SqlCoordination(f"sqlite:///{tmp_path / 'state.db'}", clock=time.clock)
    yield made
    made.close()


@pytest.fixture
def beat(store: SqlCoordination, time: Time) -> Callable[[], Leadership]:
    return lambda: Leadership(store, "shop", TTL, time.clock)


def test_one_leads_and_the_others_follow(beat: Callable[[], Leadership]) -> None:
    a, b, c = beat(), beat(), beat()
    assert a.keep() is not None
    assert b.keep() is None
    assert c.keep() is None
    assert len({each.holder for each in (a, b, c)}) == 3


def test_a_leader_that_renews_leads_on(beat: Callable[[], Leadership], time: Time) -> None:
    a, b = beat(), beat()
    term = a.keep()
    for _ in range(100):
        time.now += 1
        assert a.keep() == term
        assert b.keep() is None


def test_a_silent_leader_is_followed_within_its_ttl_and_a_second(
    beat: Callable[[], Leadership], time: Time
) -> None:
    a, b = beat(), beat()
    first = a.keep()
    silent_since = time.now
    while (second := b.keep()) is None:
        time.now += b.wait_s
    assert time.now - silent_since <= 11
    assert first is not None
    assert second.number > first.number
    assert a.keep() is None, "it wakes"
    assert a.trusted() is None


def test_a_leader_stops_trusting_its_term_before_the_store_does(
    beat: Callable[[], Leadership], store: SqlCoordination, time: Time
) -> None:
    a = beat()
    term = a.keep()
    time.now += 8.1
    assert a.trusted() is None
    assert store.current("shop/beat") == term
    assert a.keep() == term, "nobody followed: the store gives it the same term again"


def test_time_counts_from_before_the_renewal_was_asked(
    beat: Callable[[], Leadership], store: SqlCoordination, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = beat()
    a.keep()
    renew = store.renew

    def slowly(*args: object) -> bool:
        time.now += 6
        return renew(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "renew", slowly)
    time.now += 2.5
    assert a.keep() is not None
    time.now += 2.1
    assert a.trusted() is None, "8.1 s after it was asked for, though 2.1 s after the answer"


def test_one_who_resigns_is_followed_at_once(beat: Callable[[], Leadership], time: Time) -> None:
    a, b = beat(), beat()
    first = a.keep()
    assert b.keep() is None
    a.resign()
    time.now += b.wait_s
    second = b.keep()
    assert first is not None
    assert second is not None
    assert second.number > first.number
    assert b.wait_s <= 2.5


def test_while_the_store_is_away_a_leader_leads_on_until_its_time_is_up(
    beat: Callable[[], Leadership], store: SqlCoordination, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = beat(), beat()
    a.keep()

    def away(*_: object) -> None:
        raise CoordinationUnavailable("COORD-006", "the store is away")

    monkeypatch.setattr(store, "renew", away)
    monkeypatch.setattr(store, "acquire", away)
    led_until = time.now
    for _ in range(30):
        time.now += 0.5
        assert b.keep() is None
        if a.keep() is not None:
            led_until = time.now
    assert 7.5 <= led_until - 1000 <= 8.0


def test_a_refused_write_makes_the_leader_ask(
    beat: Callable[[], Leadership], store: SqlCoordination, time: Time
) -> None:
    a = beat()
    term = a.keep()
    assert term is not None
    store.release(term)
    assert a.keep() == term, "it cannot know"
    a.doubt()
    assert a.keep() is None
