"""What a worker has in hand is read by threads that do not run its tasks."""

from __future__ import annotations

import weakref
from types import SimpleNamespace

from celery.worker import state
from kombu.asynchronous.timer import Timer

from celeriac.pools.inhand import snapshot
from celeriac.pools.processes.answers import Answers


class Request:
    """A request, as far as it is told of."""

    def __init__(self, name: str) -> None:
        self.id = name

    def info(self) -> dict[str, str]:
        return {"id": self.id}


class Changing(weakref.WeakSet[Request]):
    """A weak set to which another thread adds in the middle of the first looks at it."""

    looks = 0

    def __iter__(self):
        self.looks += 1
        for each in super().__iter__():
            yield each
            if self.looks < 3:
                self.add(self.late)


def changing(*names: str) -> tuple[Changing, list[Request]]:
    kept = [Request(name) for name in names]
    made = Changing(kept)
    made.late = Request("late")
    return made, kept


def test_requests_that_change_while_they_are_copied_are_copied_again():
    requests, kept = changing("a", "b")
    assert {it.id for it in snapshot(requests)} == {"a", "b", "late"}
    assert requests.looks > 1
    assert len(kept) == 2


def test_a_slot_tells_of_its_tasks_while_they_change(monkeypatch):
    active, kept = changing("a", "b")
    monkeypatch.setattr(state, "active_requests", active)
    told = Answers(SimpleNamespace(timer=Timer()), None)._told()
    assert {it["id"] for it in told["active"]} == {"a", "b", "late"}
    assert kept
