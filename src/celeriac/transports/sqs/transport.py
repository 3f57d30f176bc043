"""The kombu transport of the SQS broker: what its channels have received, delivered in the consumer's thread."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from typing import Any

from kombu.transport.SQS import Transport as KombuTransport

from celeriac.errors import BrokerUnavailable
from celeriac.transports.readiness import readable
from celeriac.transports.sqs.channel import Channel
from celeriac.transports.sqs.trouble import FAILURES
from celeriac.transports.waker import Waker

#: how long a loop without messages sleeps at most, seconds
_SLEEP_S = 1.0


class Transport(KombuTransport):
    """`sqs://`, with kombu's own transport options and these:

    `lease` (seconds a message is hidden and for which it is renewed, 60), `letters_queue` (default "celeriac.dead"),
    `keeps_events` (task events go to the queue "celeriac.events", which the recorder reads).
    """

    Channel = Channel
    connection_errors = (*KombuTransport.connection_errors, BrokerUnavailable)
    channel_errors = (*KombuTransport.channel_errors, *FAILURES)

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self._arrived: deque[tuple[Any, str, dict[str, Any]]] = deque()
        self._waker: Waker | None = None
        self._lock = threading.Lock()

    def arrived(self, channel: Any, queue: str, payload: dict[str, Any]) -> None:
        """Take a message for the consumer. From any thread."""
        self._arrived.append((channel, queue, payload))
        with self._lock:
            if self._waker is not None:
                self._waker.ring()

    def give_back(self, channel: Any) -> None:
        """Give back what a channel has received and its consumer has not."""
        # One by one: receivers of other channels go on meanwhile.
        for _ in range(len(self._arrived)):
            arrived = self._arrived.popleft()
            if arrived[0] is channel:
                self._decline(channel, arrived[2])
            else:
                self._arrived.append(arrived)

    def _decline(self, channel: Any, payload: dict[str, Any]) -> None:
        properties = payload["properties"]
        url = properties["delivery_info"].get("sqs_queue")
        if url is not None:  # else it is deleted: its consumer does not ack
            channel.give_back(url, properties["delivery_tag"])

    def _deliver_all(self) -> int:
        count = 0
        while self._arrived:
            channel, queue, payload = self._arrived.popleft()
            if queue in self._callbacks:
                self._callbacks[queue](payload)
                count += 1
            else:
                self._decline(channel, payload)
        return count

    def _bell(self) -> Waker:
        with self._lock:
            if self._waker is None:
                self._waker = Waker()
            return self._waker

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:
        """Deliver what is there, or wait for it.

        Raises: socket.timeout after `timeout` seconds without a message.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        bell = self._bell()
        while not self._deliver_all():
            left_s = _SLEEP_S if deadline is None else deadline - time.monotonic()
            if left_s <= 0:
                raise socket.timeout  # noqa: UP041 - the name kombu's documentation promises
            if readable([bell.fileno()], min(left_s, _SLEEP_S)):
                bell.silence()

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        loop.add_reader(self._bell().fileno(), self._rung)
        # What arrived before anybody listened.
        self._bell().ring()

    def unregister_from_event_loop(self, connection: Any, loop: Any) -> None:
        if self._waker is not None:
            loop.remove_reader(self._waker.fileno())

    def _rung(self) -> None:
        self._bell().silence()
        self._deliver_all()

    def close_connection(self, connection: Any) -> None:
        super().close_connection(connection)
        with self._lock:
            waker, self._waker = self._waker, None
        if waker is not None:
            waker.close()
