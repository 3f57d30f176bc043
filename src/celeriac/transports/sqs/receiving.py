"""Receiving: a thread a queue, which asks SQS for messages as long as there is room for them.

A thread asks in one of two ways. While messages come it claims room first and asks without waiting, so that several
queues do not fetch more than may be held. When a queue is found empty it waits at SQS, without a claim, which would
keep the room from the other queues; what comes then and finds the room taken is given back at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from celeriac.events import emit
from celeriac.transports.sqs.leases import BATCH_MAX, Leases

#: how long SQS keeps back the answer that there is nothing, so that what comes meanwhile is here at once, seconds;
#: a worker that stops waits as long at most
WAIT_S = 5
_LOOK_S = 1.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 10.0

Message = dict[str, Any]


class Receiver:
    """The thread that receives one queue's messages, until it is stopped, whatever SQS answers.

    url: gives the queue's URL, and makes the queue if it is gone. receive: asks SQS at a URL for so many messages,
    waiting so many seconds. take: is given each message that is held. leases: None if messages are not acked.
    """

    def __init__(
        self,
        queue: str,
        *,
        url: Callable[[], str],
        receive: Callable[[str, int, int], list[Message]],
        take: Callable[[str, Message], None],
        leases: Leases | None,
        wait_s: int = WAIT_S,
    ) -> None:
        self._queue = queue
        self._url, self._receive, self._take = url, receive, take
        self._leases = leases
        self._wait_s = wait_s
        self._is_flowing = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"celeriac-sqs-{queue}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask for nothing more; what is on its way is given back."""
        self._stopping.set()

    def join(self) -> None:
        """Wait until nothing is on its way: what came to a process that is gone would be hidden for a lease."""
        self._thread.join(self._wait_s + 2.0)

    def _run(self) -> None:
        pause_s = 0.0
        while not self._stopping.is_set():
            try:
                self._turn()
            except Exception as error:
                # Of any kind: a queue that nobody reads any more, and nobody says so, is the worst.
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S) or _FIRST_PAUSE_S
                emit("broker", "sqs.waiting", queue=self._queue, pause_s=pause_s, error=error)
                self._is_flowing = False
                self._stopping.wait(pause_s)
            else:
                if pause_s:
                    emit("broker", "sqs.reading_again", queue=self._queue)
                pause_s = 0.0

    def _turn(self) -> None:
        """Ask once, or wait a while for room."""
        leases, url = self._leases, self._url()
        if leases is None:
            for message in self._receive(url, BATCH_MAX, self._wait_s):
                self._take(url, message)
        elif self._is_flowing or not leases.room():
            claimed = leases.claim(_LOOK_S)
            try:
                if claimed and not self._stopping.is_set():
                    messages = self._receive(url, claimed, 0)
                    self._is_flowing = bool(messages)
                    self._hold(leases, url, messages, claimed)
            finally:
                leases.unclaim(claimed)
        else:
            messages = self._receive(url, leases.room(), self._wait_s)
            self._is_flowing = bool(messages)
            self._hold(leases, url, messages, leases.room())

    def _hold(self, leases: Leases, url: str, messages: list[Message], room: int) -> None:
        """Hold the messages that there is room for, and give the others back."""
        kept = [] if self._stopping.is_set() else messages[:room]
        leases.hold(url, (message["ReceiptHandle"] for message in kept))
        for message in messages[len(kept) :]:
            leases.hide(url, message["ReceiptHandle"], 0)
        trouble: Exception | None = None
        for message in kept:
            try:
                self._take(url, message)
            except Exception as error:
                # It comes back when its lease ends; held, it would be nobody's for as long as this process lives.
                leases.leave(message["ReceiptHandle"])
                trouble = error
        if trouble is not None:
            raise trouble
