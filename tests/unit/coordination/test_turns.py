"""The rule of turns, with time that the test tells: what no order of comings may break."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celeriac.coordination.turns import RUN, Line, Pace, decide, micros
from celeriac.flow.pacing import pace_of
from celeriac.units import rate

SECOND = 1_000_000
START = 1_800_000_000 * SECOND


class Store:
    """One line and its places, as a store keeps them."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.line = Line()
        self.places: dict[int, int] = {}

    def ask(self, who: int, now: int, patience: timedelta | None = None) -> int:
        turn = decide(self.line, self.places.pop(who, None), now, self.pace, patience)
        self.line = turn.line
        if turn.place is not None:
            self.places[who] = turn.place
        return turn.wait


def play(pace: Pace, comings: list[int], late: Callable[[int], int]) -> tuple[list[int], list[int]]:
    """Let tasks come, and come back when they were told to and `late` later; give when each began, and their hops."""
    store = Store(pace)
    hops = [0] * len(comings)
    events = [(at, who) for who, at in enumerate(comings)]
    heapq.heapify(events)
    began = [0] * len(comings)
    while events:
        now, who = heapq.heappop(events)
        wait = store.ask(who, now)
        if wait == 0:
            began[who] = now
            continue
        hops[who] += 1
        assert hops[who] < 200, "it is sent back for ever"
        # However early a broker is, a hop takes time.
        heapq.heappush(events, (now + max(wait + late(hops[who] + who), 1_000), who))
    assert not store.places, "all places are used up"
    return began, hops


def most_in_a_window(began: list[int], window: int) -> int:
    ordered = sorted(began)
    return max(bisect_left(ordered, at + window) - index for index, at in enumerate(ordered))


RATES = st.builds("{}/{}".format, st.integers(1, 40), st.sampled_from("smh"))


@settings(max_examples=200, deadline=None)
@given(
    said=RATES,
    gaps=st.lists(st.sampled_from([0, 0, 0, 1, 7_000, 400_000, 5_000_000, 90_000_000]), max_size=120),
    lags=st.lists(
        st.sampled_from([-60_000, -1, 0, 3_000, 80_000, 900_000, 30_000_000]), min_size=1, max_size=9
    ),
)
def test_no_window_ever_sees_more_starts_than_the_rate_says(
    said: str, gaps: list[int], lags: list[int]
) -> None:
    known = rate(said)
    comings, at = [START], START
    for gap in gaps:
        at += gap
        comings.append(at)
    began, _ = play(pace_of(known), comings, lambda turn: lags[turn % len(lags)])
    assert most_in_a_window(began, micros(known.unit)) <= known.most


@pytest.mark.parametrize("said", ["10/s", "100/m", "7/h", "400/s"])
def test_ten_thousand_that_come_at_once_cost_one_hop_each_and_run_in_order(said: str) -> None:
    pace = pace_of(rate(said))
    in_time = [0, micros(pace.slack) // 3, 5_000]
    began, hops = play(pace, [START] * 10_000, lambda turn: in_time[turn % 3])
    assert max(hops) == 1
    reached = [max(began[: index + 1]) for index in range(len(began))]
    assert all(top - at <= micros(pace.slack) for top, at in zip(reached, began, strict=True)), (
        "in their order"
    )
    # One place in 51 is left free.
    assert max(began) - START <= 10_000 * (RUN + 1) / RUN * micros(pace.apart) + micros(pace.slack)


def test_after_an_hour_without_workers_all_that_is_overdue_runs_at_the_rate_and_no_closer() -> None:
    pace = pace_of(rate("10/s"))
    back_at = START + 3_600 * SECOND
    store = Store(pace)
    waits = {who: store.ask(who, START) for who in range(2_000)}
    overdue = [who for who, wait in waits.items() if wait]
    events = [(back_at + who, who) for who in overdue]
    began, hops = [], 0
    while events:
        now, who = heapq.heappop(events)
        wait = store.ask(who, now)
        if wait:
            hops += 1
            heapq.heappush(events, (now + wait + 2_000, who))
        else:
            began.append(now)
    assert len(began) == len(overdue)
    assert most_in_a_window(began, SECOND) <= 10
    assert hops <= len(overdue)
    assert max(began) - back_at < 2_000 * 0.12 * SECOND


def test_places_that_wait_behind_a_crowd_in_the_queue_leave_no_room_unused() -> None:
    """One queue: whoever has his place due comes behind all who have not asked yet."""
    pace, a_hop = pace_of(rate("10/s")), 20_000
    store, waiting, now = Store(pace), deque(range(3_000)), START
    parked: list[tuple[int, int]] = []
    began = []
    while now < START + 60 * SECOND:
        while parked and parked[0][0] <= now:
            waiting.append(heapq.heappop(parked)[1])
        who = waiting.popleft()
        wait = store.ask(who, now)
        if wait:
            heapq.heappush(parked, (now + wait, who))
        else:
            began.append(now)
        now += a_hop
    assert len(began) > 60 * 7, "the crowd takes another minute to ask, and all places before that pass"
    assert most_in_a_window(began, SECOND) <= 10


def test_a_task_that_is_late_again_and_again_keeps_nobody_else_from_his_place() -> None:
    pace = pace_of(rate("10/s"))
    began, hops = play(pace, [START] * 300, lambda turn: 700_000 if turn % 10 == 0 else 1_000)
    assert sum(hops) < 300 * 1.5
    assert max(began) - START < 300 * 0.13 * SECOND


def test_who_would_expire_before_his_place_takes_none() -> None:
    store = Store(pace_of(rate("1/m")))
    store.ask(0, START)
    waits = [store.ask(who, START, timedelta(seconds=5)) for who in range(1, 1000)]
    assert len(set(waits)) == 1, "each is told the same place"
    assert store.places == {}
    assert store.ask(1000, START) == waits[0]


def test_a_clock_that_is_set_back_keeps_nobody_for_longer_than_the_pace() -> None:
    store = Store(pace_of(rate("1/s")))
    for who in range(5):
        store.ask(who, START)
    assert store.ask(0, START + 60 * SECOND) == 0
    back = START - 86_400 * SECOND
    assert store.ask(0, back, timedelta(days=365)) > 0
    store.line = store.line._replace(last=back)
    assert store.ask(77, back) <= 2 * SECOND
