"""What a channel holds: an acked message is its own until the broker has forgotten it, whichever thread says so."""

from __future__ import annotations

import threading
from typing import Any

from celeriac.errors import BrokerUnavailable
from celeriac.transports.holding import Holding
from servers.waiting import eventually


class Channel:
    """A channel whose broker takes its time."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.answer = threading.Event()
        self.is_away = False
        self.removed: list[str] = []

    def held_of(self, tag: str) -> str:
        return tag

    def remove(self, acked: list[str]) -> int:
        self.asked.set()
        assert self.answer.wait(20)
        if self.is_away:
            raise BrokerUnavailable("BROKER-020", "away")
        self.removed += acked
        return len(acked)

    def is_in_turn(self) -> bool:
        return False

    def before_acks(self) -> None: ...
    def unmark(self, held: Any) -> None: ...
    def wake(self) -> None: ...


def test_an_ack_on_its_way_to_the_broker_is_still_among_what_is_held() -> None:
    channel = Channel()
    holding = Holding(channel)
    holding.append("message", "1")
    writing = threading.Thread(target=holding.ack, args=("1",))
    writing.start()
    assert channel.asked.wait(20)
    assert holding.unsettled == ["1"], "given back now, the task would run again"
    channel.answer.set()
    writing.join(20)
    assert (holding.unsettled, channel.removed) == ([], ["1"])


def test_an_ack_that_could_not_be_written_is_held_once_and_written_later() -> None:
    channel = Channel()
    holding = Holding(channel)
    channel.is_away = True
    channel.answer.set()
    for tag in ("1", "2"):
        holding.append("message", tag)
        holding.ack(tag)
    assert holding.unsettled == ["1", "2"]
    channel.is_away = False
    holding.write_acks()
    assert eventually(lambda: (holding.unsettled, channel.removed) == ([], ["1", "2"]))
