"""The wire of a slot to RabbitMQ, of which the parent has a second end: it settles what a killed slot cannot any more.

A connection lives until its last descriptor is closed, and RabbitMQ gives back what is unacked only then. So the parent
acks in the dead slot's name first, and closes. Two frames of AMQP 0-9-1 are all that needs: section 4.2.3 of the
specification, methods basic.ack (60, 80) and basic.reject (60, 90).
"""

from __future__ import annotations

import socket
import struct

_FRAME = struct.Struct(">BHLHHQBB")
_METHOD, _END, _BASIC, _ACK, _REJECT = 1, 0xCE, 60, 80, 90
#: bytes of a frame between its head and its end: class, method, delivery tag, one octet of bits
_PAYLOAD = 13
_PATIENCE_S = 5.0


class Wire:
    """A second end of a slot's connection.

    descriptor: of its TCP connection, from now on ours.
    """

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)

    def channel(self, number: int) -> Channel:
        """Give the channel of this number, to settle on."""
        return Channel(self, number)

    def write(self, frame: bytes) -> None:
        """Write a frame. Raises: OSError; then RabbitMQ gives the message back."""
        self._socket.settimeout(_PATIENCE_S)
        self._socket.sendall(frame)

    def close(self) -> None:
        """Let go: RabbitMQ gives back what is still unacked."""
        self._socket.close()


class Channel:
    """What a message needs of its channel to be acked and rejected."""

    def __init__(self, wire: Wire, number: int) -> None:
        self._wire, self._number = wire, number
        self.no_ack_consumers: set[str] = set()

    def basic_ack(self, delivery_tag: int, multiple: bool = False) -> None:
        """Ack one message."""
        self._settle(_ACK, delivery_tag, int(multiple))

    def basic_reject(self, delivery_tag: int, requeue: bool = False) -> None:
        """Give one message back, or drop it."""
        self._settle(_REJECT, delivery_tag, int(requeue))

    def _settle(self, method: int, tag: int, bits: int) -> None:
        self._wire.write(_FRAME.pack(_METHOD, self._number, _PAYLOAD, _BASIC, method, tag, bits, _END))
