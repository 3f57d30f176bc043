"""Acks from other threads: left to a loop that is woken for them, where there is one."""

from __future__ import annotations

import threading
import time

from celeriac.transports.holding import Holding


class Channel:
    """A channel of a worker, whose pool ends tasks in other threads than its loop's."""

    def __init__(self, *, has_loop: bool) -> None:
        self.has_loop = has_loop
        self.written: list[list[str]] = []
        self.rings = 0

    def held_of(self, tag: str) -> str:
        return tag

    def remove(self, acked: list[str]) -> int:
        self.written.append(list(acked))
        return len(acked)

    def is_in_turn(self) -> bool:
        return False

    def wake(self) -> None:
        self.rings += 1

    def before_acks(self) -> None: ...
    def unmark(self, held: str) -> None: ...


def _acked_elsewhere(channel: Channel) -> Holding:
    holding = Holding(channel)
    holding._written = time.monotonic() + 3600  # acks were written this very moment
    for tag in ("1", "2", "3"):
        holding.append("message", tag)
    thread = threading.Thread(target=lambda: [holding.ack(tag) for tag in ("1", "2", "3")])
    thread.start()
    thread.join(20)
    return holding


def test_acks_from_other_threads_are_left_to_the_loop_that_is_woken() -> None:
    channel = Channel(has_loop=True)
    holding = _acked_elsewhere(channel)
    assert (channel.written, channel.rings) == ([], 3)
    holding.write_acks()
    assert channel.written == [["1", "2", "3"]]


def test_where_no_loop_comes_round_each_ack_is_written_at_once() -> None:
    channel = Channel(has_loop=False)
    _acked_elsewhere(channel)
    assert channel.written == [["1"], ["2"], ["3"]]


def test_an_event_loop_in_another_thread_never_waits_for_an_ack() -> None:
    channel = Channel(has_loop=True)
    holding = Holding(channel)
    holding._written = time.monotonic() - 1
    holding.append("message", "1")
    holding.ack("1")
    assert (channel.written, channel.rings) == ([], 1)
