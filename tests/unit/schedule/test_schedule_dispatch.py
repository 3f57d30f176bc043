"""What a leader does about one schedule: on a real store and a real broker, by a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import celeriac
from celeriac.clock import Clock
from celeriac.coordination.sql import SqlCoordination
from celeriac.errors import CoordinationUnavailable
from celeriac.plan import Beat, Plan, Pool, Queue, Schedule
from celeriac.schedule.declared import Declared
from celeriac.schedule.dispatch import WAITING_MAX, Dispatcher
from celeriac.schedule.kinds import slots_of_plan
from celeriac.schedule.leadership import Leadership
from celeriac.schedule.ledger import Entry, Ledger
from celeriac.schedule.sending import Sender

START = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC).timestamp()
LEASE = timedelta(seconds=10)
DEADLINE_S = 60.0


class Time:
    """Both clocks of one machine, moved by hand."""

    def __init__(self) -> None:
        self.now = START
        self.clock = Clock(wall=lambda: self.now, steady=lambda: self.now - START + 1000)

    def to(self, after_start_s: float) -> None:
        self.now = START + after_start_s


class Leader:
    """One beat's share: it asks for the lease and attends to one schedule."""

    def __init__(self, bench: Bench) -> None:
        self.store = SqlCoordination(bench.state, clock=bench.time.clock)
        self.ledger = Ledger(self.store, "shop")
        self.leadership = Leadership(self.store, "shop", LEASE, bench.time.clock)
        self.sender = Sender(bench.app)
        self.noted: list[tuple[str, float]] = []
        self.dispatcher = Dispatcher(
            bench.app,
            self.ledger,
            self.sender,
            self.leadership,
            DEADLINE_S,
            lambda declared, at: self.noted.append((declared.name, at)),
            bench.time.clock,
        )

    def lead(self) -> None:
        """Renew the term or, where the test's clock has jumped past it, begin another, as a beat's ticks do."""
        before = self.leadership.keep()
        self.leadership.doubt()
        term = self.leadership.keep()
        assert term is not None, "somebody else leads"
        if before is None:
            self.dispatcher.begin_term()

    def attend(self, declared: Declared) -> float:
        self.lead()
        wait_s = 0.0
        for _ in range(100):
            wait_s = self.dispatcher.attend(declared)
            if wait_s:
                return wait_s
        return wait_s

    def entry(self, name: str = "s") -> Entry:
        page = self.ledger.read(name)
        assert page is not None
        return page.entry

    def close(self) -> None:
        self.sender.hang_up()
        self.store.close()


class Bench:
    """An app, a broker, a store, and any number of leaders after each other."""

    def __init__(self, folder: Path) -> None:
        self.time = Time()
        self.state = f"sqlite:///{folder / 'state.db'}"
        plan = Plan(
            name="shop",
            broker=f"sqlite:///{folder / 'broker.db'}",
            results=f"sqlite:///{folder / 'results.db'}",
            state=self.state,
            queues={"default": Queue()},
            pools={"web": Pool(queues=("default",))},
            beat=Beat(lease=LEASE),
            folder=folder,
        )
        self.app = celeriac.create_app(plan)

        @self.app.task(name="shop.report", ignore_result=True, shared=False)
        def report() -> None: ...

        self.is_refusing = False
        self.app.conf.task_routes.insert(0, self._refuse)
        self._leaders: list[Leader] = []

    def _refuse(self, *_: Any, **__: Any) -> None:
        """Let every publish fail, as where the broker is gone."""
        if self.is_refusing:
            raise ConnectionRefusedError("no broker")

    def leader(self) -> Leader:
        self._leaders.append(Leader(self))
        return self._leaders[-1]

    def lose(self, leader: Leader) -> Leader:
        """Let a leader fall silent for the length of its lease, and another take over."""
        self.time.now += LEASE.total_seconds() + 1
        return self.leader()

    def sent(self) -> list[float]:
        """The slots whose tasks have reached the broker since last asked, in seconds after the start."""
        return [round(slot - START, 3) for slot, _ in self.taken()]

    def taken(self) -> list[tuple[float, str]]:
        found = []
        with self.app.connection() as connection:
            queue = connection.SimpleQueue("default")
            while True:
                try:
                    message = queue.get(block=False)
                except queue.Empty:
                    break
                assert message.headers["celeriac-schedule"] == "s"
                found.append((message.headers["celeriac-slot"], message.headers["id"]))
                message.ack()
            queue.close()
        return found

    def end(self, task_id: str | None) -> None:
        self.app.backend.store_result(task_id, None, "SUCCESS")

    def close(self) -> None:
        for leader in self._leaders:
            leader.close()
        self.app.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def every(seconds: float, **others: Any) -> Declared:
    slots = slots_of_plan(Schedule(task="shop.report", every=timedelta(seconds=seconds)))
    return Declared(name="s", task="shop.report", slots=slots, **others)


def test_slots_count_from_when_a_schedule_is_first_seen(bench: Bench) -> None:
    leader = bench.leader()
    assert leader.attend(every(20)) == 20
    assert bench.sent() == []
    bench.time.to(19.9)
    leader.attend(every(20))
    assert bench.sent() == []


def test_a_slot_is_sent_once_under_an_id_of_its_own(bench: Bench) -> None:
    leader = bench.leader()
    leader.attend(every(20))
    bench.time.to(20.5)
    assert leader.attend(every(20)) == 19.5
    leader.attend(every(20))
    slot = START + 20
    assert bench.taken() == [(slot, leader.ledger.task_id("s", slot))]
    assert leader.noted == [("s", START + 20.5)]
    entry = leader.entry()
    assert (entry.sent, entry.last_slot, entry.settled, entry.claimed) == (1, slot, slot, None)


def test_ids_differ_between_projects_schedules_and_slots(bench: Bench) -> None:
    store = bench.leader().store
    ids = {
        Ledger(store, project).task_id(name, slot)
        for project in ("shop", "bank")
        for name in ("a", "b")
        for slot in (START, START + 0.2)
    }
    assert len(ids) == 8


def test_the_next_leader_sends_what_came_due_in_between(bench: Bench) -> None:
    first = bench.leader()
    first.attend(every(3))
    bench.time.to(3)
    first.attend(every(3))
    second = bench.lose(first)
    second.attend(every(3))
    assert bench.sent() == [3, 6, 9, 12]


def test_a_leader_that_cannot_be_sure_sends_nothing(bench: Bench) -> None:
    leader = bench.leader()
    leader.attend(every(3))
    bench.time.to(8.5)  # past four fifths of the lease: the store would still count it, we do not
    assert leader.dispatcher.attend(every(3)) == 0
    assert bench.sent() == []


def test_a_frozen_leader_that_wakes_can_neither_send_nor_write(bench: Bench) -> None:
    old = bench.leader()
    old.attend(every(3))
    page = old.ledger.read("s")
    term = old.leadership.trusted()
    new = bench.lose(old)
    new.attend(every(3))
    assert len(bench.sent()) == 3
    assert old.leadership.keep() is None
    assert page is not None
    assert old.ledger.write(page, page.entry, term) is None
    # Not even where nobody has written since.
    fresh = new.ledger.read("s")
    assert fresh is not None
    assert old.ledger.write(fresh, fresh.entry, term) is None


@pytest.mark.parametrize(
    ("catch_up", "expected", "missed"),
    [
        # Away for 1000 s, slots each 30 s: those of the last 60 s are in time, the others missed.
        ("none", [960, 990], 31),
        ("last", [960, 990], 31),
        ("all", list(range(30, 1000, 30)), 0),
    ],
)
def test_frequent_slots_missed_while_nothing_ran(
    bench: Bench, catch_up: Any, expected: list[int], missed: int
) -> None:
    declared = every(30, catch_up=catch_up)
    bench.leader().attend(declared)
    bench.time.to(1000)
    leader = bench.leader()
    leader.attend(declared)
    assert bench.sent() == expected
    assert leader.entry().missed == missed


@pytest.mark.parametrize(
    ("catch_up", "expected", "missed"), [("none", [], 3), ("last", [900], 2), ("all", [300, 600, 900], 0)]
)
def test_rare_slots_missed_while_nothing_ran(
    bench: Bench, catch_up: Any, expected: list[int], missed: int
) -> None:
    declared = every(300, catch_up=catch_up)
    bench.leader().attend(declared)
    bench.time.to(1000)
    leader = bench.leader()
    leader.attend(declared)
    assert bench.sent() == expected
    assert leader.entry().missed == missed
    leader.attend(declared)
    assert bench.sent() == []


def test_a_failed_publish_is_tried_again_within_the_deadline(bench: Bench) -> None:
    leader = bench.leader()
    leader.attend(every(300, catch_up="none"))
    bench.is_refusing = True
    bench.time.to(300)
    pauses = []
    for _ in range(7):
        pauses.append(leader.attend(every(300, catch_up="none")))
        bench.time.now += pauses[-1] + 0.001
    assert pauses == sorted(pauses)
    assert pauses[-1] == 5.0
    assert bench.sent() == []
    bench.is_refusing = False
    leader.attend(every(300, catch_up="none"))
    assert bench.sent() == [300]
    assert leader.entry().missed == 0


def test_after_the_deadline_a_failed_publish_is_a_missed_slot(bench: Bench) -> None:
    leader = bench.leader()
    leader.attend(every(300, catch_up="none"))
    bench.is_refusing = True
    bench.time.to(300)
    leader.attend(every(300, catch_up="none"))
    for second in range(301, 362):
        bench.time.to(second)
        leader.attend(every(300, catch_up="none"))
    bench.is_refusing = False
    bench.time.to(370)
    leader.attend(every(300, catch_up="none"))
    assert bench.sent() == []
    assert leader.entry().missed == 1


def test_with_catch_up_last_a_failed_publish_is_tried_until_a_newer_slot_comes(bench: Bench) -> None:
    leader = bench.leader()
    leader.attend(every(300))
    bench.is_refusing = True
    for second in range(300, 605, 5):
        bench.time.to(second)
        leader.attend(every(300))
    bench.is_refusing = False
    bench.time.to(610)
    leader.attend(every(300))
    assert bench.sent() == [600]
    assert (leader.entry().missed, leader.entry().sent) == (1, 1)


class Died(BaseException):
    """A SIGKILL, as far as one process can play it."""


@pytest.mark.parametrize("step", ["before the publish", "after the publish"])
def test_a_slot_that_a_dead_leader_had_claimed_is_stored_once(
    bench: Bench, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bench.leader()
    first.attend(every(300))
    bench.time.to(300)
    send = first.sender.send

    def die(*args: Any) -> None:
        if step == "after the publish":
            send(*args)
        raise Died

    monkeypatch.setattr(first.sender, "send", die)
    with pytest.raises(Died):
        first.attend(every(300))
    assert first.entry().claimed == START + 300
    second = bench.lose(first)
    second.attend(every(300))
    assert bench.sent() == [300]
    assert (second.entry().sent, second.entry().claimed) == (1, None)


def test_a_slot_sent_under_a_term_that_ends_meanwhile_is_marked_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = bench.leader()
    leader.attend(every(300))
    bench.time.to(300)
    send = leader.sender.send

    def slowly(*args: Any) -> None:
        send(*args)
        bench.time.now += 60

    monkeypatch.setattr(leader.sender, "send", slowly)
    leader.lead()
    leader.dispatcher.attend(every(300))
    assert leader.entry().sent == 1
    bench.lose(leader).attend(every(300))
    assert bench.sent() == [300]


def test_a_slot_whose_mark_cannot_be_written_is_not_sent_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = bench.leader()
    leader.attend(every(300))
    bench.time.to(300)
    sends, write, send = [], leader.ledger.write, leader.sender.send

    def count(*args: Any) -> None:
        send(*args)
        sends.append(args)

    def fail_to_settle(page: Any, entry: Entry, under: Any = None) -> Any:
        if entry.sent and not bench.is_refusing:
            bench.is_refusing = True
            raise CoordinationUnavailable("COORD-006", "the store is away")
        return write(page, entry, under)

    monkeypatch.setattr(leader.sender, "send", count)
    monkeypatch.setattr(leader.ledger, "write", fail_to_settle)
    with pytest.raises(CoordinationUnavailable):
        leader.attend(every(300))
    bench.time.to(301)
    leader.attend(every(300))
    assert len(sends) == 1
    assert leader.entry().sent == 1
    # And the next slot is sent again.
    bench.is_refusing = False
    monkeypatch.setattr(leader.ledger, "write", write)
    bench.time.to(600)
    leader.attend(every(300))
    assert bench.sent() == [300, 600]


def test_while_the_last_run_goes_on_a_slot_is_skipped(bench: Bench) -> None:
    leader, declared = bench.leader(), every(30, overlap="skip")
    for second in (0, 30, 60, 90):
        bench.time.to(second)
        leader.attend(declared)
    assert bench.sent() == [30]
    assert leader.entry().skipped == 2
    bench.end(leader.entry().task_id)
    bench.time.to(120)
    leader.attend(declared)
    assert bench.sent() == [120]


def test_while_the_last_run_goes_on_slots_queue_and_come_one_by_one(bench: Bench) -> None:
    leader, declared = bench.leader(), every(30, overlap="queue")
    for second in (0, 30, 60, 90):
        bench.time.to(second)
        leader.attend(declared)
    assert bench.sent() == [30]
    assert leader.attend(declared) <= 1.0, "the end of a run that is waited for is looked for often"
    for expected in (60, 90):
        bench.end(leader.entry().task_id)
        leader.attend(declared)
        assert bench.sent() == [expected]
    assert leader.entry().waiting == ()


def test_only_so_many_slots_queue(bench: Bench) -> None:
    leader, declared = bench.leader(), every(1, overlap="queue", catch_up="all")
    leader.attend(declared)
    bench.time.to(WAITING_MAX + 11)
    leader.attend(declared)
    assert len(leader.entry().waiting) == WAITING_MAX
    assert leader.entry().skipped == 10
    assert bench.sent() == [1]


def test_a_run_of_which_nothing_is_known_any_more_holds_nothing_up(bench: Bench) -> None:
    leader, declared = bench.leader(), every(86_400, overlap="skip")
    for day in (0, 1, 2, 3):
        bench.time.to(day * 86_400 + 43_200)
        leader.attend(declared)
    assert len(bench.sent()) == 2
    assert leader.entry().skipped == 1


def test_a_result_is_kept_where_the_end_is_asked_for(bench: Bench) -> None:
    leader = bench.leader()
    said = []
    for overlap in ("allow", "skip"):
        leader.sender.send(every(30, overlap=overlap), "an-id", START, None)
        with bench.app.connection() as connection:
            message = connection.SimpleQueue("default").get(block=False)
            said.append(message.headers["ignore_result"])
            message.ack()
    assert said == [True, False], "the task ignores its results; the schedule cannot"


def test_a_paused_schedule_sends_nothing_and_goes_on_with_its_next_slot(bench: Bench) -> None:
    from msgspec.structs import replace

    leader = bench.leader()
    leader.attend(every(30))
    page = leader.ledger.read("s")
    assert page is not None
    paused = leader.ledger.write(page, replace(page.entry, paused_at=START + 1))
    assert paused is not None
    for second in (30, 60, 90):
        bench.time.to(second)
        leader.attend(every(30))
    assert bench.sent() == []
    assert leader.ledger.write(paused, replace(paused.entry, paused_at=None, settled=START + 95))
    for second in (96, 120):
        bench.time.to(second)
        leader.attend(every(30))
    assert bench.sent() == [120]
    assert leader.entry().missed == 0


def test_a_schedule_with_other_slots_does_not_send_those_of_the_past(bench: Bench) -> None:
    leader = bench.leader()
    leader.attend(every(1000, catch_up="all"))
    bench.time.to(900)
    leader.attend(every(10, catch_up="all"))
    bench.time.to(905)
    leader.attend(every(10, catch_up="all"))
    assert bench.sent() == []
    bench.time.to(910)
    leader.attend(every(10, catch_up="all"))
    assert bench.sent() == [910]


def test_a_schedule_that_was_off_does_not_catch_up(bench: Bench) -> None:
    leader = bench.leader()
    leader.attend(every(300, since=START))
    bench.time.to(1000)
    leader.attend(every(300, since=START + 950))
    assert bench.sent() == []
    bench.time.to(1200)
    leader.attend(every(300, since=START + 950))
    assert bench.sent() == [1200]


def test_a_clock_that_is_set_back_sends_no_slot_again(bench: Bench) -> None:
    leader = bench.leader()
    leader.attend(every(30))
    wall = {"set_back_s": 0.0}
    steady = bench.time.clock.steady
    leader.dispatcher._clock = Clock(wall=lambda: bench.time.now - wall["set_back_s"], steady=steady)
    bench.time.to(30)
    leader.attend(every(30))
    wall["set_back_s"] = 3600
    for second in (31, 60, 90):
        bench.time.to(second)
        leader.attend(every(30))
    wall["set_back_s"] = 0.0
    bench.time.to(95)
    leader.attend(every(30))
    assert bench.sent() == [30, 60, 90]


def test_a_name_of_any_length_has_a_page(bench: Bench) -> None:
    leader = bench.leader()
    for name in ("x" * 500, "x" * 501, "é" * 300):
        page = leader.ledger.begin(name, Entry(text="t", settled=1.0))
        assert page is not None
        assert leader.ledger.read(name) == page
