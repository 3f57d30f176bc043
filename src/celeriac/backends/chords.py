"""Which parts of a chord are in, and what that calls for.

A part is counted once, by its task id and its place in the header, however often it is redelivered. A chord
goes from open to fired when all parts have succeeded and its body is published; to failed when all are in,
some of them failed, and its errbacks are called. A failed chord whose failed parts were replayed and have
succeeded fires after all: it is mended. Fired is for good. The step is written down only after the
publishing, so that a worker killed in between leaves the chord open, and the redelivery of its part takes
the step again.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

import msgspec

from celeriac.backends.order import Run

Payload = bytes | str


class Step(Enum):
    """What the arrival of a part calls for."""

    WAIT = "wait"
    FIRE = "publish the body"
    MEND = "publish the body of a chord that had failed"
    FAIL = "call the errbacks"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one task of a chord's header.

    position: its index in the header. payload: encoded {"status": …, "result": …}. run: whose word this is.
    """

    group_id: str
    task_id: str
    position: int
    failed: bool
    payload: Payload
    run: Run


class Chords(Protocol):
    """The chords of one store."""

    def expect(self, group_id: str, size: int) -> None:
        """Say how many parts the chord was sent with."""
        ...

    def expect_one_more(self, group_id: str) -> None:
        """Say that one of the parts has added another."""
        ...

    def keep_header(self, group_id: str, payload: Payload) -> None:
        """Keep the shape of a header that holds groups in groups."""
        ...

    def arrive(self, part: Part) -> Step:
        """Put a part's outcome on record and say what is to be done now.

        The outcome on record of the task goes before the one given: a run that was overtaken is not
        counted, and where a success stands, a later failure of the same task counts as that success.
        """
        ...

    def parts(self, group_id: str) -> list[tuple[str, bool, Payload]]:
        """Give task id, whether it failed, and payload of every part that is in, in the header's order."""
        ...

    def header(self, group_id: str) -> Payload | None:
        """Give the header's shape, if it was kept."""
        ...

    def mark_fired(self, group_id: str) -> None:
        """Write down that the body is published; the parts are not needed any more."""
        ...

    def mark_failed(self, group_id: str) -> None:
        """Write down that the errbacks are called; the parts stay, for a replay may mend the chord."""
        ...


def next_step(size: int | None, arrived: int, failed: int, state: str) -> Step:
    """Say what a chord's record calls for. size: parts it waits for; None: not all are sent yet."""
    if state == "fired" or size is None or arrived < size:
        return Step.WAIT
    if failed:
        return Step.FAIL if state == "open" else Step.WAIT
    return Step.FIRE if state == "open" else Step.MEND
