"""Durable history in SQL: today the dead letters.

In: `Letter`s from the recorder, and what an operator does to them. Out: typed rows, newest first. The schema
is brought up to date when the records are first used; on failure RecordsError says what and where, and
RecordsUnavailable that trying again may help.
"""

from celeriac.records.letter import Letter, LetterCount, LetterFilter, State
from celeriac.records.records import Records

__all__ = ["Letter", "LetterCount", "LetterFilter", "Records", "State"]
