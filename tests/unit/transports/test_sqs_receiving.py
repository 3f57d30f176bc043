"""The thread that receives a queue's messages, against a queue that answers as it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from celeriac.transports.sqs.leases import Leases
from celeriac.transports.sqs.receiving import Receiver
from servers.waiting import eventually

URL = "http://sqs/1/jobs"


class Queue:
    """Gives what it is told to, raises what it is told to; notes what it was asked, and what was given back."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.asked: list[tuple[int, int]] = []
        self.taken: list[str] = []
        self.given_back: list[str] = []
        self._stopped = threading.Event()

    def receive(self, url: str, count: int, wait_s: int) -> list[dict[str, Any]]:
        self.asked.append((count, wait_s))
        if not self.answers:
            self._stopped.wait(0.01)
            return []
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return [{"ReceiptHandle": handle} for handle in answer]

    def change_message_visibility(self, *, ReceiptHandle: str, **_: Any) -> None:
        self.given_back.append(ReceiptHandle)

    def take(self, url: str, message: dict[str, Any]) -> None:
        self.taken.append(message["ReceiptHandle"])


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def leases(queue: Queue) -> Leases:
    return Leases(lambda url: queue, lambda: 2, 600)


@pytest.fixture
def receiver(queue: Queue, leases: Leases) -> Iterator[Any]:
    made: list[Receiver] = []

    def start() -> Receiver:
        made.append(
            Receiver("jobs", url=lambda: URL, receive=queue.receive, take=queue.take, leases=leases, wait_s=1)
        )
        return made[-1]

    yield start
    for each in made:
        each.stop()
        each.join()
    leases.close()


def test_it_waits_at_an_empty_queue_and_asks_at_once_while_messages_come(
    queue: Queue, leases: Leases, receiver: Any
) -> None:
    queue.answers = [["a"], ["b"]]
    receiver()
    eventually(lambda: queue.taken == ["a", "b"])
    assert queue.asked[:2] == [(2, 1), (1, 0)]


def test_it_asks_for_nothing_while_there_is_no_room(queue: Queue, leases: Leases, receiver: Any) -> None:
    leases.hold(URL, ["x", "y"])
    queue.answers = [["a"]]
    receiver()
    leases.leave("x")
    eventually(lambda: queue.taken == ["a"])
    assert queue.asked[0][0] == 1


def test_what_comes_when_the_room_is_taken_is_given_back(queue: Queue, leases: Leases, receiver: Any) -> None:
    def fill(url: str, count: int, wait_s: int) -> list[dict[str, Any]]:
        # Another queue's messages came while this one was waited for.
        if not queue.taken and not queue.given_back:
            leases.hold(URL, ["x"])
            return [{"ReceiptHandle": "a"}, {"ReceiptHandle": "b"}]
        return original(url, count, wait_s)

    original, queue.receive = queue.receive, fill  # type: ignore[method-assign]
    receiver()
    eventually(lambda: (queue.taken, queue.given_back) == (["a"], ["b"]))


def test_it_reads_on_after_any_error(queue: Queue, receiver: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "celeriac.broker")
    queue.answers = [RuntimeError("nobody foresaw it"), ["a"]]
    receiver()
    eventually(lambda: queue.taken == ["a"])
    assert "queue jobs cannot be read now" in caplog.text
    eventually(lambda: "queue jobs is read again" in caplog.text)


def test_what_cannot_be_taken_is_left_to_sqs_and_the_next_message_is_taken(
    queue: Queue, leases: Leases, receiver: Any
) -> None:
    def take(url: str, message: dict[str, Any]) -> None:
        if message["ReceiptHandle"] == "bad":
            raise RuntimeError("its letter cannot be written")
        original(url, message)

    original, queue.take = queue.take, take  # type: ignore[method-assign]
    queue.answers = [["bad", "good"]]
    receiver()
    eventually(lambda: queue.taken == ["good"])
    eventually(lambda: leases.room() == 1)


def test_what_was_on_its_way_when_it_was_stopped_is_given_back(queue: Queue, receiver: Any) -> None:
    is_asked, may_answer = threading.Event(), threading.Event()

    def late(url: str, count: int, wait_s: int) -> list[dict[str, Any]]:
        is_asked.set()
        may_answer.wait(60)
        return [{"ReceiptHandle": "late"}]

    queue.receive = late  # type: ignore[method-assign]
    made = receiver()
    is_asked.wait(60)
    made.stop()
    may_answer.set()
    made.join()
    assert (queue.taken, queue.given_back) == ([], ["late"])
