"""Durable history in SQL: dead letters, and task runs.

In: `Letter`s and `Run`s from the recorder, and what an operator does to letters. Out: typed rows, newest first. The
schema is brought up to date when the records are first used; on failure RecordsError says what and where, and
RecordsUnavailable that trying again may help.
"""

from typing import TYPE_CHECKING, Any

from celeriac.records.letter import Letter, LetterCount, LetterFilter, State
from celeriac.records.outcome import RunOutcome, Seen, last_life
from celeriac.records.run import (
    FINAL,
    RUN_STATES,
    SIGHTINGS_MAX,
    Description,
    Mishap,
    Run,
    RunFilter,
    RunState,
    Sighting,
    in_order,
    joined,
)

if TYPE_CHECKING:
    from celeriac.records.records import Records
    from celeriac.records.runs import PRUNED_AT_ONCE, Runs

__all__ = [
    "FINAL",
    "PRUNED_AT_ONCE",
    "RUN_STATES",
    "SIGHTINGS_MAX",
    "Description",
    "Letter",
    "LetterCount",
    "LetterFilter",
    "Mishap",
    "Records",
    "Run",
    "RunFilter",
    "RunOutcome",
    "RunState",
    "Runs",
    "Seen",
    "Sighting",
    "State",
    "in_order",
    "joined",
    "last_life",
]


def __getattr__(name: str) -> Any:
    """Import what needs SQLAlchemy when it is first asked for: a worker writes letters and reads no records."""
    if name == "Records":
        from celeriac.records.records import Records  # noqa: PLC0415

        return Records
    if name in ("Runs", "PRUNED_AT_ONCE"):
        from celeriac.records import runs  # noqa: PLC0415

        return getattr(runs, name)
    raise AttributeError(name)
