"""The decision how many slots or workers there should be."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from celeriac.pools.autoscale import Bounds, Decision, Demand, Line, Memory, Meter, Pace, Rates, decide

BOUNDS = Bounds(2, 8)
PACE = Pace.of([2.0])
IDLE = Demand(lines=(Line(messages=0, max_wait_s=2.0),), running=0)


def waiting(
    messages: float, age_s: float = 0.0, *, running: int = 0, task_s: float | None = None, per_s: float = 0.0
) -> Demand:
    rates = Rates() if task_s is None else Rates(arrivals_per_s=per_s, task_s=task_s)
    line = Line(messages=messages, oldest_age_s=age_s if messages else None, max_wait_s=2.0)
    return Demand(lines=(line,), running=running, rates=rates)


def once(demand: Demand, *, units: int, bounds: Bounds = BOUNDS, slots_each: int = 1) -> int:
    return decide(bounds, PACE, Memory(), demand, units=units, now=1000.0, slots_each=slots_each).units


def follow(
    demands: list[Demand], *, bounds: Bounds = BOUNDS, units: int = 2, step_s: float = 1.0, pace: Pace = PACE
) -> list[tuple[float, int]]:
    """Decide once per demand; give (when, units) of all."""
    memory, seen, now = Memory(), [(0.0, units)], 0.0
    for demand in demands:
        now += step_s
        decision = decide(bounds, pace, memory, demand, units=units, now=now)
        memory, units = decision.memory, decision.units
        seen.append((now, units))
    return seen


def test_before_anything_was_measured_each_message_is_worth_a_slot() -> None:
    assert once(waiting(1, running=2), units=2) == 3


def test_short_tasks_with_time_to_wait_need_no_further_slot() -> None:
    assert once(waiting(20, 0.1, running=2, task_s=0.02), units=2) == 2


def test_the_same_messages_near_their_max_wait_need_more() -> None:
    assert once(waiting(20, 0.9, running=2, task_s=0.02), units=2) > 2


def test_a_late_message_calls_all_hands() -> None:
    assert once(waiting(20, 2.1, running=2, task_s=0.001), units=4) == 8


def test_arrivals_above_four_fifths_of_the_slots_need_more_before_anything_waits() -> None:
    assert once(waiting(0, running=4, task_s=0.5, per_s=7.2), units=4) == 5
    assert once(waiting(0, running=4, task_s=0.5, per_s=6.0), units=4) == 4


def test_a_step_doubles_at_most() -> None:
    assert once(waiting(500, 1.9), units=2) == 4


def test_none_becomes_one_when_work_comes_and_stays_none_without() -> None:
    assert once(waiting(1), units=0, bounds=Bounds(0, 5)) == 1
    assert once(IDLE, units=0, bounds=Bounds(0, 5)) == 0


def test_a_worker_of_many_slots_is_counted_by_its_slots() -> None:
    assert once(waiting(8, running=8), units=1, bounds=Bounds(1, 9), slots_each=8) == 2
    assert once(waiting(9, running=8), units=2, bounds=Bounds(1, 9), slots_each=8) == 3


def test_a_queue_without_an_objective_counts_by_its_messages() -> None:
    demand = Demand(lines=(Line(messages=4),), running=0, rates=Rates(arrivals_per_s=0.0, task_s=0.01))
    assert once(demand, units=3) == 4


def test_the_bounds_are_above_the_cool_down() -> None:
    just_now = Memory(grown_at=1000.0, shrunk_at=1000.0)
    assert decide(BOUNDS, PACE, just_now, IDLE, units=11, now=1000.0).units == 8
    assert decide(BOUNDS, PACE, just_now, IDLE, units=1, now=1000.0).units == 2


def test_sustained_overload_reaches_the_upper_bound() -> None:
    assert follow([waiting(100, 3.0, running=2)] * 10)[-1][1] == 8


def test_when_idle_it_returns_to_the_lower_bound_step_by_step() -> None:
    seen = follow([waiting(100, 3.0, running=8)] * 10 + [IDLE] * 120)
    assert seen[-1][1] == 2
    shrinking = [units for _, units in seen[10:]]
    assert all(before - after <= 2 for before, after in pairwise(shrinking))


def test_it_keeps_a_slot_for_each_task_that_runs() -> None:
    assert follow([waiting(100, 3.0, running=8)] * 10 + [waiting(0, running=5)] * 200)[-1][1] == 5


def test_bursts_within_the_calm_window_do_not_make_it_flap() -> None:
    round_ = [waiting(30, 1.5, running=2)] * 3 + [IDLE] * 20
    units = [it for _, it in follow(round_ * 10)]
    assert units[-1] == 8
    assert sum(before != after for before, after in pairwise(units)) == 2


def test_a_gap_in_sight_begins_the_calm_window_anew() -> None:
    pace = Pace(cool_down_s=5.0, calm_s=30.0)
    memory = Memory(needs=((0.0, 1),), seen_at=29.0, watched_since=0.0)
    assert decide(BOUNDS, pace, memory, IDLE, units=8, now=31.0).units == 6
    assert decide(BOUNDS, pace, memory, IDLE, units=8, now=60.0).units == 8


def test_the_pace_follows_the_strictest_objective() -> None:
    assert Pace.of([2.0, 60.0]) == Pace(cool_down_s=5.0, calm_s=60.0)
    assert Pace.of([900.0]) == Pace(cool_down_s=60.0, calm_s=300.0, arrivals_s=450.0)
    assert Pace.of([None]) == Pace(cool_down_s=30.0, calm_s=150.0)


def test_the_meter_measures_arrivals_and_run_time() -> None:
    meter, ended = Meter(), 0
    for second in range(60):
        ended += 4  # four slots, always busy with tasks of a second; a message more waits each second
        rates = meter.see(float(second), ended=ended, running=4, waiting=second)
    assert rates.task_s is not None and abs(rates.task_s - 1.0) < 0.01
    assert rates.arrivals_per_s is not None and abs(rates.arrivals_per_s - 5.0) < 0.01


def test_the_meter_says_nothing_before_a_task_has_ended() -> None:
    meter = Meter()
    for second in range(9):
        assert meter.see(float(second), ended=0, running=4, waiting=9) == Rates()


lines = st.builds(
    Line,
    messages=st.floats(0, 10_000),
    oldest_age_s=st.none() | st.floats(0, 10_000),
    max_wait_s=st.none() | st.floats(0.1, 10_000),
)
rates = st.builds(
    Rates, arrivals_per_s=st.none() | st.floats(0, 10_000), task_s=st.none() | st.floats(0, 10_000)
)
demands = st.builds(
    Demand, lines=st.lists(lines, max_size=4).map(tuple), running=st.integers(0, 1000), rates=rates
)
bounds_ = st.tuples(st.integers(0, 50), st.integers(1, 50)).map(lambda it: Bounds(min(it), max(it)))


@st.composite
def histories(draw: st.DrawFn) -> tuple[Bounds, Pace, list[tuple[float, Decision]]]:
    bounds, pace = draw(bounds_), Pace.of([draw(st.none() | st.floats(0.1, 2000))])
    units = draw(st.integers(bounds.least, bounds.most))
    slots_each = draw(st.integers(1, 20))
    memory, now, made = Memory(), draw(st.floats(0, 1e9)), []
    for span, demand in draw(st.lists(st.tuples(st.floats(0.01, 100), demands), max_size=60)):
        now += span
        decision = decide(bounds, pace, memory, demand, units=units, now=now, slots_each=slots_each)
        memory, units = decision.memory, decision.units
        made.append((now, decision))
    return bounds, pace, made


@given(histories())
@settings(deadline=None)
def test_it_never_leaves_the_bounds(history: tuple[Bounds, Pace, list[tuple[float, Decision]]]) -> None:
    bounds, _, made = history
    assert all(bounds.least <= decision.units <= bounds.most for _, decision in made)


@given(histories())
@settings(deadline=None)
def test_it_never_changes_its_sign_within_the_cool_down(
    history: tuple[Bounds, Pace, list[tuple[float, Decision]]],
) -> None:
    _, pace, made = history
    last: tuple[float, int] | None = None
    for (_, before), (now, after) in pairwise(made):
        change = after.units - before.units
        if not change:
            continue
        sign = 1 if change > 0 else -1
        if last is not None and last[1] != sign:
            assert now - last[0] >= pace.cool_down_s
        last = (now, sign)


@given(bounds_, st.floats(0.1, 2000), st.floats(0.5, 20))
@settings(deadline=None)
def test_whatever_the_bounds_overload_fills_them_and_idleness_empties_them(
    bounds: Bounds, max_wait_s: float, step_s: float
) -> None:
    pace = Pace.of([max_wait_s])
    late = Line(messages=1000, oldest_age_s=max_wait_s * 2, max_wait_s=max_wait_s)
    busy = [Demand(lines=(late,), running=bounds.most)] * int(40 / step_s + 12)
    idle = [Demand(lines=(), running=0)] * int(((bounds.most + 2) * 60 + 700) / step_s)
    up = follow(busy, bounds=bounds, units=bounds.least, step_s=step_s, pace=pace)
    assert up[-1][1] == bounds.most
    assert (
        follow(busy + idle, bounds=bounds, units=bounds.least, step_s=step_s, pace=pace)[-1][1]
        == bounds.least
    )
