"""What has to be done before acks are written: results that a process gathers must be on record first."""

from __future__ import annotations

from typing import Protocol


class BeforeAcks(Protocol):
    """Whoever gathers something that acks must wait for; the transport option `before_acks`."""

    def begin(self) -> None:
        """A connection of this process consumes from now on, and calls `flush` before each write of acks."""
        ...

    def flush(self) -> None:
        """Put on record what was gathered. Raises: anything; then no ack is written."""
        ...

    def end(self) -> None:
        """The connection consumes no longer."""
        ...


class Nothing:
    """Nothing is gathered."""

    def begin(self) -> None: ...
    def flush(self) -> None: ...
    def end(self) -> None: ...
