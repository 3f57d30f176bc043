"""The embedded broker's file against a model in memory: any order of sends, fetches, deaths and settlements."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from celeriac.clock import Clock
from celeriac.transports.sqlite import consumers, messages, page, queues
from celeriac.transports.sqlite.envelope import to_row
from celeriac.transports.sqlite.location import Location
from celeriac.transports.sqlite.messages import LetterRule
from celeriac.transports.sqlite.page import Page
from celeriac.transports.sqlite.store import Store

QUEUES = ("a", "b")
LEASE_S = 10.0
AFTER = 3


class Expected:
    """What the model knows of one message."""

    def __init__(self, key: int, queue: str, priority: int, due: float | None, expires: float | None) -> None:
        self.key, self.queue, self.priority, self.due, self.expires = key, queue, priority, due, expires
        self.owner: int | None = None
        self.deliveries = 0


class BrokerAgainstModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = Store(Location(Path(self.folder.name) / "broker.db", "relaxed"))
        self.now = 1_000_000.0
        self.steady = 1_000.0
        self.clock = Clock(wall=lambda: self.now, steady=lambda: self.steady)
        self.expected: dict[int, Expected] = {}  # by row number
        self.letters = 0
        self.ended = 0  # acked, dropped, expired or merged by a key
        self.sent = 0
        self.pages: dict[int, Page] = {}
        self.renewed: dict[int, float] = {}
        self.once: set[str] = set()

    @initialize()
    def open(self) -> None:
        self.rule = LetterRule("celeriac.dead", AFTER, self.store.identity())

    def teardown(self) -> None:
        for opened in self.pages.values():
            opened.close()
        self.store.close()
        self.folder.cleanup()

    # Steps.

    @rule(
        queue=st.sampled_from(QUEUES),
        priority=st.integers(0, 9),
        delay=st.one_of(st.none(), st.floats(0.5, 30)),
        ttl=st.one_of(st.none(), st.floats(0.5, 30)),
        once=st.one_of(st.none(), st.sampled_from(["x", "y"])),
    )
    def send(
        self, queue: str, priority: int, delay: float | None, ttl: float | None, once: str | None
    ) -> None:
        headers: dict[str, Any] = {"id": f"t{self.sent}", "task": "t"}
        if once:
            headers["celeriac-once"] = once
        message = {
            "body": str(self.sent),
            "content-type": "text/plain",
            "content-encoding": "utf-8",
            "headers": headers,
            "properties": {"priority": priority},
        }
        row = to_row(message, queue, self.now, ttl)
        due = self.now + delay if delay else None
        with self.store.writing() as db:
            stored = messages.send(db, _with_due(row, due))
            number = db.execute("SELECT max(id) FROM messages").fetchone()[0]
        assert stored == (once is None or once not in self.once)
        if stored:
            self.expected[number] = Expected(self.sent, queue, priority, due, self.now + ttl if ttl else None)
            self.sent += 1
        if once:
            self.once.add(once)

    @rule()
    @precondition(lambda self: len(self.pages) < 3)
    def enroll(self) -> None:
        with self.store.writing() as db:
            number = consumers.enroll(db, name="c", host="h", lease_s=LEASE_S, clock=self.clock)
        self.pages[number] = Page(self.store.location.folder, number)
        self.renewed[number] = self.steady

    @rule(data=st.data(), limit=st.integers(1, 5))
    @precondition(lambda self: self.pages)
    def fetch(self, data: st.DataObject, limit: int) -> None:
        owner = data.draw(st.sampled_from(sorted(self.pages)))
        with self.store.writing() as db:
            messages.ripen(db, self.now)
            got = messages.fetch(db, owner, QUEUES, limit, self.now)
        for each in self.expected.values():
            if each.due is not None and each.due <= self.now:
                each.due = None
        ready = [
            (QUEUES.index(each.queue), -each.priority, number)
            for number, each in self.expected.items()
            if each.owner is None and each.due is None and not self._is_expired(each)
        ]
        assert [stored.id for stored in got] == [number for _, _, number in sorted(ready)][:limit]
        for stored in got:
            assert stored.body == str(self.expected[stored.id].key)
            assert stored.deliveries == self.expected[stored.id].deliveries
            self.expected[stored.id].owner = owner

    def _is_expired(self, each: Expected) -> bool:
        return each.expires is not None and each.expires <= self.now

    def _held(self) -> list[int]:
        return sorted(number for number, each in self.expected.items() if each.owner in self.pages)

    @rule(data=st.data())
    @precondition(lambda self: self._held())
    def start(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self._held()))
        self.pages[self.expected[number].owner or 0].mark(number)

    @rule(data=st.data())
    @precondition(lambda self: self._held())
    def ack(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self._held()))
        owner = self.expected.pop(number).owner or 0
        self.pages[owner].clear(number)
        with self.store.writing() as db:
            assert messages.ack(db, [(owner, number)]) == 1
            assert messages.ack(db, [(owner, number)]) == 0
        self.ended += 1

    @rule(data=st.data())
    @precondition(lambda self: self._held())
    def give_back(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self._held()))
        owner = self.expected[number].owner or 0
        self.pages[owner].clear(number)
        with self.store.writing() as db:
            messages.give_back(db, [(owner, number)], redelivered=True)
        self.expected[number].owner = None

    @rule(data=st.data())
    @precondition(lambda self: self.pages)
    def renew(self, data: st.DataObject) -> None:
        owner = data.draw(st.sampled_from(sorted(self.pages)))
        with self.store.writing() as db:
            assert consumers.renew(db, owner, self.clock)
        self.renewed[owner] = self.steady

    @rule(data=st.data())
    @precondition(lambda self: self.pages)
    def leave(self, data: st.DataObject) -> None:
        owner = data.draw(st.sampled_from(sorted(self.pages)))
        with self.store.writing() as db:
            consumers.leave(db, owner, self.now)
        for each in self.expected.values():
            each.owner = None if each.owner == owner else each.owner
        self._forget(owner)

    @rule(span=st.floats(0.1, 20))
    def time_passes(self, span: float) -> None:
        self.now += span
        self.steady += span

    @rule(jump=st.floats(-100, 100))
    def the_wall_clock_jumps(self, jump: float) -> None:
        self.now += jump

    @rule()
    def reap(self) -> None:
        lapsed = {owner for owner, renewed in self.renewed.items() if renewed + LEASE_S < self.steady}
        with self.store.writing() as db:
            gone = consumers.find_gone(db, self.store.location.folder, self.clock)
            assert set(gone) == lapsed
            for owner in gone:
                started = page.started(self.store.location.folder, owner)
                reaped = consumers.reap(db, self.store.location.folder, owner, self.rule, self.now)
                assert reaped is not None
                self._expect_reaped(owner, started)
                assert not consumers.renew(db, owner, self.clock)
                assert messages.ack(db, ((owner, number) for number in list(self.expected))) == 0
        for owner in gone:
            self._forget(owner)

    def _expect_reaped(self, owner: int, started: set[int]) -> None:
        for number, each in list(self.expected.items()):
            if each.owner != owner:
                continue
            each.owner = None
            if number in started:
                each.deliveries += 1
                if each.deliveries >= AFTER:
                    self.letters += 1
                    del self.expected[number]

    def _forget(self, owner: int) -> None:
        self.pages.pop(owner).close()
        del self.renewed[owner]

    @rule()
    def sweep(self) -> None:
        with self.store.writing() as db:
            assert messages.any_expired(db, self.now) == any(
                self._is_expired(each) and each.owner is None for each in self.expected.values()
            )
            messages.drop_expired(db, self.now)
        for number, each in list(self.expected.items()):
            if each.owner is None and self._is_expired(each):
                del self.expected[number]
                self.ended += 1

    # What holds after every step.

    @invariant()
    def the_file_says_what_the_model_says(self) -> None:
        with self.store.reading() as db:
            rows = db.execute("SELECT id, queue, owner, due, deliveries, task_id FROM messages").fetchall()
            assert {
                (number, queue, owner, due, deliveries, task_id)
                for number, queue, owner, due, deliveries, task_id in rows
                if queue != "celeriac.dead"
            } == {
                (number, each.queue, each.owner, each.due, each.deliveries, f"t{each.key}")
                for number, each in self.expected.items()
            }
            assert sum(row[1] == "celeriac.dead" for row in rows) == self.letters
            assert _lengths(db) == {name: sum(row[1] == name for row in rows) for name in _lengths(db)}
            assert queues.waiting(db, "a") == sum(
                each.queue == "a" and each.owner is None for each in self.expected.values()
            )

    @invariant()
    def nothing_is_lost(self) -> None:
        assert self.sent == len(self.expected) + self.letters + self.ended


def _with_due(row: Any, due: float | None) -> Any:
    return type(row)(**{**{name: getattr(row, name) for name in row.__struct_fields__}, "due": due})


def _lengths(db: sqlite3.Connection) -> dict[str, int]:
    return dict(db.execute("SELECT name, length FROM queues").fetchall())


TestBrokerAgainstModel = BrokerAgainstModel.TestCase
TestBrokerAgainstModel.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
