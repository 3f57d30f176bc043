"""A source asked with a deadline: no scrape waits for a broker that hangs, and none spoils another's answer."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from celeriac.observe.metrics.deadline import Deadlined


def test_who_asks_while_a_question_is_under_way_shares_its_answer() -> None:
    go, asked = threading.Event(), []

    def source() -> str:
        asked.append(1)
        assert go.wait(10)
        return "answer"

    ask = Deadlined("broker", source, within_s=10)
    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(ask) for _ in range(4)]
        while not asked:
            time.sleep(0.001)
        go.set()
        assert [each.result(10) for each in waiting] == ["answer"] * 4


def test_a_source_that_hangs_keeps_nobody_waiting_twice() -> None:
    go = threading.Event()
    ask = Deadlined("broker", lambda: go.wait(30), within_s=0.2)
    assert ask() is None
    began = time.monotonic()
    assert ask() is None
    assert time.monotonic() - began < 0.1
    go.set()
    deadline = time.monotonic() + 10
    while ask() is None:
        assert time.monotonic() < deadline


def test_a_source_that_fails_gives_nothing_and_is_asked_again() -> None:
    answers = iter([OSError("gone"), "back"])

    def source() -> str:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    ask = Deadlined("broker", source)
    assert ask() is None
    assert ask() == "back"
