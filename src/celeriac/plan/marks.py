"""Marks on the types of a plan's fields: range, unit, and the word that stands for None."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, NamedTuple


class Range(NamedTuple):
    """The least and the greatest value a field takes; seconds for durations, bytes for sizes."""

    low: float
    high: float | None = None


class NoneAs(NamedTuple):
    """The word that writes None in a plan file, where TOML has no null."""

    word: str


class Bytes(NamedTuple):
    """The whole number is bytes, written as a size like "512MiB"."""


class Secret(NamedTuple):
    """The text is a secret: a plan file names a variable for it, and never holds it."""


class Form(NamedTuple):
    """The text has a form: in words, like 'a rate like "100/m"', and as a regular expression for editors."""

    words: str
    pattern: str


class OneOrMore(NamedTuple):
    """A list may be written instead of one value; texts in it that come out empty are left out."""


#: longer than nothing; a plan that needs a zero says so in its own range
Duration = Annotated[timedelta, Range(0.001)]
Size = Annotated[int, Range(1024), Bytes()]
