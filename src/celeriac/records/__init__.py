"""Durable history in SQL: dead letters, and task runs.

In: `Letter`s and `Run`s from the recorder, and what an operator does to letters. Out: typed rows, newest first. The
schema is brought up to date when the records are first used; on failure RecordsError says what and where, and
RecordsUnavailable that trying again may help.
"""

from celeriac.records.letter import Letter, LetterCount, LetterFilter, State
from celeriac.records.outcome import RunOutcome, last_life
from celeriac.records.records import Records
from celeriac.records.run import (
    FINAL,
    RUN_STATES,
    SIGHTINGS_MAX,
    Description,
    Mishap,
    Run,
    RunState,
    Sighting,
    in_order,
    joined,
)
from celeriac.records.runs import PRUNED_AT_ONCE, RunFilter, Runs, Seen

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
