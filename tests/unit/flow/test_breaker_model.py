"""The breaker against a model of it: whatever calls begin, end and die in whatever order, in three processes."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, rule

from celeriac.clock import Clock
from celeriac.coordination.sql import SqlCoordination
from celeriac.errors import BreakerOpen
from celeriac.flow import SharedBreaker
from celeriac.flow.breaker import Passage
from celeriac.plan import Breaker

FAILURES, WINDOW_S, COOL_DOWN_S = 2, 60, 31
#: nothing is synced there; what is tested is the logic
QUICK = Path("/dev/shm") if Path("/dev/shm").is_dir() else None


@dataclass
class Call:
    worker: int
    passage: Passage
    turn: int
    is_probe: bool


@dataclass
class Model:
    """What a breaker is, told without a store: one process, one clock."""

    state: str = "closed"
    turn: int = 0
    until: float = 0.0
    probe: Call | None = None
    failed_at: dict[int, list[float]] = field(default_factory=dict)

    def lets_through(self, now: float) -> bool:
        return self.state == "closed" or now >= self.until

    def change(self, state: str, until: float = 0.0, probe: Call | None = None) -> None:
        self.state, self.until, self.probe, self.turn = state, until, probe, self.turn + 1

    def fail(self, call: Call, now: float) -> None:
        if call.is_probe:
            if self.probe is call:
                self.change("open", now + COOL_DOWN_S)
            return
        times = self.failed_at.setdefault(call.turn, [])
        times.append(now)
        recent = [each for each in times if now - each < WINDOW_S]
        if self.state == "closed" and call.turn == self.turn and len(recent) >= FAILURES:
            self.change("open", now + COOL_DOWN_S)


class BreakerMachine(RuleBasedStateMachine):
    calls = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.folder = Path(tempfile.mkdtemp(dir=QUICK))
        clock = Clock(wall=lambda: self.now, steady=lambda: self.now)
        self.stores = [SqlCoordination("sqlite:///c.db", self.folder, clock) for _ in range(3)]
        said = Breaker(
            name="smtp",
            failures=FAILURES,
            window=timedelta(seconds=WINDOW_S),
            cool_down=timedelta(seconds=COOL_DOWN_S),
        )
        self.workers = [SharedBreaker(said, store, clock) for store in self.stores]
        self.model = Model()
        self.made: list[Call] = []

    def teardown(self) -> None:
        for call in self.made:
            if call.passage.probe is not None:
                call.passage.probe.end()
        for store in self.stores:
            store.close()
        shutil.rmtree(self.folder)

    @rule(target=calls, worker=st.integers(0, 2))
    def begin(self, worker: int) -> Call | None:
        expected = self.model.lets_through(self.now)
        try:
            passage = self.workers[worker].enter()
        except BreakerOpen as refusal:
            assert not expected, f"refused in {self.model}"
            assert timedelta() <= refusal.wait <= timedelta(seconds=COOL_DOWN_S * 1.1)
            return None
        assert expected, f"let through in {self.model}"
        call = Call(worker, passage, self.model.turn, passage.probe is not None)
        assert call.is_probe == (self.model.state != "closed")
        if call.is_probe:
            # Its timer is not renewed within this test: it is a process that was stopped if time passes.
            self.model.change("probing", self.now + COOL_DOWN_S, call)
        self.made.append(call)
        return call

    @rule(call=consumes(calls))
    def succeed(self, call: Call | None) -> None:
        if call is None:
            return
        self.workers[call.worker].succeeded(call.passage)
        if call.is_probe and self.model.probe is call:
            self.model.change("closed")

    @rule(call=consumes(calls))
    def fail(self, call: Call | None) -> None:
        if call is None:
            return
        self.workers[call.worker].failed(call.passage)
        self.model.fail(call, self.now)

    @rule(call=consumes(calls))
    def say_nothing(self, call: Call | None) -> None:
        if call is None:
            return
        self.workers[call.worker].said_nothing(call.passage)
        if call.is_probe and self.model.probe is call:
            self.model.change("open", self.now)

    @rule(call=consumes(calls))
    def die(self, call: Call | None) -> None:
        """The process is gone; nobody says anything."""

    # No sum of these falls where a store may or may not still count a failure: between 54 and 60 seconds.
    @rule(seconds=st.sampled_from([31, 61]))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds

    @rule(worker=st.integers(0, 2))
    def look(self, worker: int) -> None:
        assert self.workers[worker].standing().state == self.model.state


TestTheBreakerIsItsModel = BreakerMachine.TestCase
TestTheBreakerIsItsModel.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_failures_of_calls_that_began_before_it_opened_do_not_open_it_again(tmp_path):
    """A sequence that chance finds too rarely."""
    machine = BreakerMachine()
    try:
        late = [machine.begin(0) for _ in range(4)]
        machine.fail(late.pop())
        machine.fail(late.pop())
        machine.look(1)
        machine.pass_time(31)
        machine.succeed(machine.begin(1))
        machine.fail(late.pop())
        machine.fail(late.pop())
        machine.look(2)
        assert machine.model.state == "closed"
        machine.fail(machine.begin(2))
        machine.look(0)
        assert machine.model.state == "closed", "one failure since it closed"
    finally:
        machine.teardown()
