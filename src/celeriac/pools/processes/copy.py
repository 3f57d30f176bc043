"""The copy of a message that only its slot has: what was acked before it ran, and what a foreign broker delivered.

A slot writes it to a file in memory before it runs the task; the parent reads it when the slot has died. Brokers of
ours keep what is not acked themselves, and nothing is copied there.
"""

from __future__ import annotations

import os
import pickle
import struct
from typing import Any

from kombu.message import Message

from celeriac.security import as_received

_HEAD = struct.Struct("<QQ")
_PARTS = (
    "body",
    "delivery_tag",
    "content_type",
    "content_encoding",
    "delivery_info",
    "properties",
    "headers",
)


class Copy:
    """The file of one slot, made by the parent before it forks."""

    def __init__(self) -> None:
        self._file = os.memfd_create("celeriac-slot", os.MFD_CLOEXEC)

    def write(self, message: Any) -> None:
        """Keep what a message is made of."""
        # Sealed, if it was: it is opened again to be buried, and its letter is the message as it came.
        received = as_received(message)
        body = received.body
        parts = {name: getattr(received, name, getattr(message, name)) for name in _PARTS}
        parts["body"] = bytes(body) if isinstance(body, memoryview) else body
        # The body is unpacked by now, and would be once more.
        parts["headers"] = {name: it for name, it in received.headers.items() if name != "compression"}
        packed = pickle.dumps(parts, pickle.HIGHEST_PROTOCOL)
        place = getattr(message.channel, "channel_id", 0) or 0
        os.pwrite(self._file, _HEAD.pack(len(packed), place) + packed, 0)

    def read(self, tag: str, wire: Any = None, *, is_acked: bool) -> Message | None:
        """Give the message of this delivery tag; None if another one was kept last.

        wire: where it can be acked, if it is not; see `wire.py`.
        """
        head = os.pread(self._file, _HEAD.size, 0)
        if len(head) < _HEAD.size:
            return None
        length, place = _HEAD.unpack(head)
        # Written by our own fork, and read by nobody else.
        parts = pickle.loads(os.pread(self._file, length, _HEAD.size))  # noqa: S301
        if str(parts["delivery_tag"]) != tag:
            return None
        message = Message(channel=wire.channel(place) if wire is not None else None, **parts)
        if is_acked:
            message._state = "ACK"
        return message

    def close(self) -> None:
        os.close(self._file)
