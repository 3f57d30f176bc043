"""What a scrape reads at the moment, beside the counts: passed in by whoever serves it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec


class QueueReading(msgspec.Struct, frozen=True, kw_only=True):
    """One queue as it is now; None is what this broker does not tell.

    ready: waiting for a worker, all priorities together; delayed: waiting for their time; unacked: with a worker.
    due: of the delayed, those whose time has come; the next worker that looks makes them ready.
    oldest_age_s: seconds the oldest ready message has waited, 0.0 if none does.
    max_length: messages it may hold, as the broker keeps it.
    """

    name: str
    ready: int
    delayed: int | None = None
    due: int = 0
    unacked: int | None = None
    oldest_age_s: float | None = None
    consumers: int | None = None
    max_length: int | None = None


class BrokerReading(msgspec.Struct, frozen=True, kw_only=True):
    """A broker as it is now.

    unacked: messages with workers, where the broker only counts them for all queues together.
    """

    queues: Sequence[QueueReading]
    unacked: int | None = None


class BrokerSource(Protocol):
    """Reads a broker."""

    def __call__(self) -> BrokerReading:
        """Look at the queues now.

        Raises: anything, if the broker does not answer.
        """
        ...


class SpoolReading(Protocol):
    """A spool as it is now."""

    @property
    def tasks(self) -> int: ...
    @property
    def aside(self) -> int: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def oldest_age_s(self) -> float | None: ...


class SpoolSource(Protocol):
    """Reads the spool of this host."""

    def __call__(self) -> SpoolReading | None:
        """Look at it now; None if there is none.

        Raises: anything, if it cannot be read.
        """
        ...


class ScheduleReading(NamedTuple):
    """A schedule as it stands; epoch seconds.

    slot, sent_at: when it was last sent, and for which of its slots; None: never yet.
    due_at: its first slot that is due and was not sent; None if there is none.
    """

    slot: float | None
    sent_at: float | None
    due_at: float | None


class SchedulesSource(Protocol):
    """Reads the ledger of the schedules."""

    def __call__(self) -> dict[str, ScheduleReading]:
        """Give schedule → how it stands.

        Raises: CoordinationError.
        """
        ...


class LettersSource(Protocol):
    """Counts the recorded letters that wait for a decision."""

    def __call__(self) -> dict[str, int]:
        """Give queue → letters.

        Raises: RecordsError.
        """
        ...
