"""What every coordination store promises: leases, claims, small documents, counters and turns, each step atomic."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple, Protocol, runtime_checkable

from celeriac.coordination.turns import Pace


class Term(NamedTuple):
    """The span for which one holder may act on a lease.

    number: the fencing number; it grows with every new term of the lease and never repeats.
    """

    name: str
    holder: str
    number: int


class Versioned(NamedTuple):
    """A document as it was read.

    version: opaque, above 0, and never given twice, also not after the document lapsed and was made anew.
    """

    value: bytes
    version: int


#: the version of a document that does not exist
ABSENT = 0


@runtime_checkable
class Coordination(Protocol):
    """One store that many processes agree by; safe to use from several threads.

    Times are those of the store alone, so the clocks of its users need not agree. Names, keys, holders and owners are
    text of at most 200 characters. A `ttl` or `span` is at least a millisecond.
    Every method raises CoordinationUnavailable if the store cannot be used now (nothing, or everything, of that call
    was done), else CoordinationError.
    """

    @property
    def at(self) -> str:
        """Where the store is, without the password."""

    def acquire(self, name: str, holder: str, ttl: timedelta) -> Term | None:
        """Take the lease `name` for `ttl`; None while somebody else holds it.

        holder: unique to one life of one process. Who holds the lease already keeps the term, and `ttl` counts anew.
        """

    def renew(self, term: Term, ttl: timedelta) -> bool:
        """Count `ttl` anew; False if the term has lapsed or ended, and then for ever."""

    def release(self, term: Term) -> bool:
        """End the term now, so that another can begin; False if it had lapsed or ended."""

    def current(self, name: str) -> Term | None:
        """Give the term that holds the lease now."""

    def claim(self, key: str, owner: str, ttl: timedelta) -> bool:
        """Make `key` the owner's for `ttl`; False while it is somebody else's. True for him again, and counted anew."""

    def unclaim(self, key: str, owner: str) -> bool:
        """Give `key` up; False if it was not the owner's."""

    def load(self, key: str) -> Versioned | None:
        """Read a document; None if there is none, or it has lapsed."""

    def swap(
        self, key: str, version: int, value: bytes, ttl: timedelta | None = None, under: Term | None = None
    ) -> int:
        """Write a document if it still has this version, and give its new one; ABSENT (0) if nothing was written.

        version: as `load` gave it; ABSENT to make one that does not exist.
        value: at most 64 KiB.
        ttl: how long it is kept; None: for ever.
        under: the fence: it is only written while this is the current term of its lease, checked in the same step.
        """

    def add(self, key: str, span: timedelta, amount: int = 1) -> int:
        """Count `amount`, and give the total of the window that ends now; an amount of 0 only reads.

        An amount counts for at least nine tenths of `span` and never longer than `span`. Use one span per key.
        """

    def clear(self, key: str) -> None:
        """Forget what was counted under `key`."""

    def take_turn(self, key: str, who: str, pace: Pace, patience: timedelta | None = None) -> timedelta:
        """Start now (zero), or wait so long for the place that is kept for `who`, and then ask again.

        Asking again before the place is due changes nothing; asking when it is due starts, unless others came late.
        A start uses the place up: who asks once more comes anew. A place is kept for an hour after it was due.
        patience: who would have to wait longer gets no place, and is only told the time; None: nobody.
        Use one pace per key; where it changes, who comes anew no longer waits for places given by the old one.
        """

    def place(self, key: str, who: str) -> timedelta | None:
        """Say how long `who` still has to wait for his place, zero if it is due; None if none is kept for him."""

    def close(self) -> None:
        """Let go of every connection."""
