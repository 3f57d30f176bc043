"""A kept connection that publishes exact messages, and returns only once the broker has them."""

from __future__ import annotations

import inspect
import os
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kombu.connection import Connection
from kombu.entity import Exchange, Queue
from kombu.exceptions import ChannelError, OperationalError
from kombu.messaging import Producer

from celeriac.errors import BrokerUnavailable

if TYPE_CHECKING:
    from celery import Celery

#: properties that the broker, not the sender, gives a message, or for which it would drop or refuse it (an
#: old expiration, the user id of somebody else), or that `Producer.publish` takes as arguments of its own
_NOT_CARRIED = frozenset(
    {"application_headers", "body_encoding", "delivery_info", "delivery_tag", "user_id"}
) | frozenset(inspect.signature(Producer.publish).parameters)
#: AMQP's reply to a passive declaration of what is not there
_NOT_FOUND = 404
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 1.0


class _Held:
    """What one process holds: kombu connections must not be used, nor closed, by a forked child."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.producer: Producer | None = None


class Line:
    """Publishes over one connection per process, from any thread, also after a fork."""

    def __init__(self, app: Celery, patience_s: float = 5.0) -> None:
        """patience_s: how long a publish is tried again while the broker is gone; then it raises."""
        self._app = app
        self._patience_s = patience_s
        # Those of parent processes stay referenced, so that no finalizer of ours hangs up their connection.
        self._held: dict[int, _Held] = {}

    def publish(
        self,
        body: bytes,
        *,
        queue: str,
        headers: Mapping[str, Any],
        properties: Mapping[str, Any],
        content_type: str | None,
        content_encoding: str | None,
        declare: Queue | None = None,
        compression: str | None = None,
    ) -> None:
        """Put the message on the queue named `queue`.

        Raises: the broker's last refusal, once patience is spent; then it may or may not be there.
        """
        held = self._held.setdefault(os.getpid(), _Held())
        with held.lock:
            deadline = time.monotonic() + self._patience_s
            pause_s = _FIRST_PAUSE_S
            while True:
                try:
                    self._producer(held).publish(
                        body,
                        exchange=Exchange(""),
                        routing_key=queue,
                        headers=dict(headers),
                        content_type=content_type or "application/octet-stream",
                        content_encoding=content_encoding or "binary",
                        compression=compression,
                        declare=[declare] if declare else None,
                        priority=_priority(properties.get("priority")),
                        **{name: value for name, value in properties.items() if name not in _NOT_CARRIED},
                    )
                except self.errors:
                    _hang_up(held)
                    if time.monotonic() + pause_s > deadline:
                        raise
                    time.sleep(pause_s)
                    pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                else:
                    return

    def has_queue(self, queue: str) -> bool:
        """Whether a message sent to this queue will be kept; connects, if that is not yet done.

        Raises: one of `errors` if the broker cannot be reached.
        """
        held = self._held.setdefault(os.getpid(), _Held())
        with held.lock:
            try:
                connection = self._producer(held).connection
                # Of AMQP only: it drops what is sent to a queue that is not there; the others make the queue.
                if connection.transport.driver_type != "amqp":
                    return True
                with connection.channel() as channel:
                    channel.queue_declare(queue=queue, passive=True)
            except self.errors as error:
                if isinstance(error, ChannelError) and error.code == _NOT_FOUND:
                    return False
                _hang_up(held)
                raise
            return True

    @property
    def keeps_once(self) -> bool:
        """Whether this broker stores at most one message per `celeriac-once` key: only the embedded one does."""
        held = self._held.setdefault(os.getpid(), _Held())
        with held.lock:
            return bool(self._producer(held).connection.transport.driver_type == "sqlite")

    @property
    def errors(self) -> tuple[type[BaseException], ...]:
        """What `publish` and `has_queue` raise when the broker does not answer as it should."""
        transport = self._app.connection_for_write().transport
        return (
            OperationalError,
            BrokerUnavailable,
            OSError,
            *transport.connection_errors,
            *transport.channel_errors,
        )

    def close(self) -> None:
        """Hang up; the next publish connects again."""
        held = self._held.pop(os.getpid(), None)
        if held:
            with held.lock:
                _hang_up(held)

    def _producer(self, held: _Held) -> Producer:
        if held.producer is None:
            connection = _connection(self._app)
            # Said here, because a producer left to connect by itself would try for ever.
            connection.ensure_connection(
                max_retries=3,
                interval_start=0.1,
                interval_step=0.2,
                interval_max=0.5,
                timeout=self._patience_s,
            )
            held.producer = Producer(connection, auto_declare=False)
        return held.producer


def _connection(app: Celery) -> Connection:
    connection = app.connection_for_write()
    if connection.transport.driver_type == "amqp":
        # Without confirms AMQP says nothing of a message it did not take.
        connection = app.connection_for_write(transport_options={"confirm_publish": True})
    return connection


def _hang_up(held: _Held) -> None:
    producer, held.producer = held.producer, None
    if producer is None:
        return
    connection = producer.connection
    try:
        connection.release()
    except (*connection.connection_errors, *connection.channel_errors, OSError):
        connection.collect()


def _priority(value: object) -> int:
    return min(max(value, 0), 255) if isinstance(value, int) else 0
