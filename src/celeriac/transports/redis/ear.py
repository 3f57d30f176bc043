"""The ear of a channel: fanout messages (remote control) by pub/sub, as kombu sends them."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads

from celeriac.events import emit
from celeriac.transports.redis.trouble import LOST

_AGAIN_S = 1.0


class Ear:
    """Listens for the channel's fanout queues, and anew after the connection was lost."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._is_listening = False
        self._retry_at = 0.0

    def fileno(self) -> int | None:
        """Give the descriptor that becomes readable when something was said; None while nobody listens."""
        connection = self._client.connection if self._is_listening else None
        sock = None if connection is None else connection._sock
        return None if sock is None else int(sock.fileno())

    @property
    def _client(self) -> Any:
        return self._channel.subclient

    def listen(self) -> None:
        """Subscribe to the channel's fanout queues; what is published after this is heard.

        Raises: redis-py's errors of a lost connection.
        """
        client, channel = self._client, self._channel
        if client.connection is None:
            client.connection = client.connection_pool.get_connection()
        client.connection.connect()
        missing = len(
            [
                topic
                for queue in channel.active_fanout_queues
                for topic in channel._get_subscribe_topics(queue)
            ]
        )
        channel._subscribe()
        while missing:
            response = client.parse_response()
            if bytes_to_str(response[0]) == "psubscribe":
                missing -= 1
            else:
                self._deliver(response)
        self._is_listening = True

    def hear(self) -> int:
        """Deliver what was said since the last time; say how many messages."""
        if not self._is_listening and not self._listen_again():
            return 0
        heard, client = 0, self._client
        try:
            while client.connection is not None and client.connection.can_read(timeout=0):
                heard += self._deliver(client.parse_response())
        except LOST as error:
            self._lose(error)
        return heard

    def _listen_again(self) -> bool:
        now = time.monotonic()
        if now < self._retry_at or not self._channel.connection.reaches_server:
            return False
        try:
            self.listen()
        except LOST as error:
            self._lose(error)
            return False
        return True

    def _lose(self, error: Exception) -> None:
        self._is_listening = False
        self._retry_at = time.monotonic() + _AGAIN_S
        emit("broker", "broker.trouble", error=f"remote control is not heard: {error}")
        if self._client.connection is not None:
            self._client.connection.disconnect()

    def _deliver(self, response: Any) -> int:
        if not isinstance(response, list | tuple):
            return 0
        said = self._channel._handle_message(self._client, response)
        if not bytes_to_str(said["type"]).endswith("message"):
            return 0
        channel, topic = self._channel, bytes_to_str(said["channel"])
        if topic.startswith("/"):
            topic = topic.partition(".")[2]
        queue = channel._fanout_to_queue.get(topic.split("/", 1)[0])
        payload = _read(channel, said["data"])
        if payload is None or queue not in channel.connection._callbacks:
            return 0
        # Never held, and settled by forgetting it.
        payload["properties"]["delivery_tag"] = f"0-{uuid4().hex}-{queue}"
        channel.connection._callbacks[queue](payload)
        return 1

    def close(self) -> None:
        self._is_listening = False


def _read(channel: Any, data: Any) -> Any:
    """Give the payload of a published message; None if kombu could make no message of it."""
    try:
        payload = loads(bytes_to_str(data))
        channel.Message(payload, channel=channel)
    except Exception as error:  # whatever somebody has published there, nobody but him wants it
        emit("broker", "broker.unread", error=repr(error))
        return None
    return payload
