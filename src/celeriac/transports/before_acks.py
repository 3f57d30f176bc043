"""What has to be done before acks are written: results that a process gathers must be on record first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from kombu.utils.imports import symbol_by_name


class BeforeAcks(Protocol):
    """Whoever gathers something that acks must wait for; the transport option `before_acks` names it, "module:NAME"."""

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


def before_acks_of(options: Mapping[str, Any]) -> BeforeAcks:
    """Give what the options of a transport name, or nothing to do."""
    named = options.get("before_acks")
    found: BeforeAcks = symbol_by_name(named) if named else Nothing()
    return found
