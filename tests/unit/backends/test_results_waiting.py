"""Naps between looks."""

from __future__ import annotations

from celeriac.backends.looking import longest_pause
from celeriac.backends.sqlite.waiting import LONGEST_S, SHORTEST_S, nap_s


def test_naps_grow_with_the_wait_between_their_bounds() -> None:
    assert nap_s(0.0, 0.0) == SHORTEST_S
    assert nap_s(0.4, 0.0) == 0.02
    assert nap_s(3600.0, 0.0) == LONGEST_S


def test_the_caller_may_ask_for_shorter_naps_but_not_for_a_busy_loop() -> None:
    assert longest_pause(10.0, 0.01) == 0.01
    assert longest_pause(10.0, 0.0) == SHORTEST_S
    assert longest_pause(0.5, None) == 0.5


def test_a_dear_look_makes_a_longer_nap() -> None:
    assert nap_s(0.0, 0.2) == 0.4
