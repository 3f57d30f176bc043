"""Cron: the five fields of a cron time, judged without Celery and no wider than Celery's own crontab reads them."""

from __future__ import annotations

import re
from typing import NamedTuple

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(
    r"(?:(?P<star>\*)|(?P<first>[0-9]{1,4}|[a-z]{3})(?:-(?P<last>[0-9]{1,4}|[a-z]{3}))?)(?:/(?P<step>[0-9]{1,4}))?\Z"
)
_LONGEST_MONTH = {1: 31, 2: 29, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31, 9: 30, 10: 31, 11: 30, 12: 31}
_MOST_CHARACTERS = 500


class _Column(NamedTuple):
    what: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_COLUMNS = (
    _Column("minute", 0, 59),
    _Column("hour", 0, 23),
    _Column("day of month", 1, 31),
    _Column("month", 1, 12, _MONTHS),
    _Column("day of week", 0, 6, _DAYS),
)


class _Fault(Exception):
    """Carries what is wrong with a field."""


def fault_of(cron: str) -> str | None:
    """Say what is wrong with a cron time, None if it is right.

    Each of the five fields is `*` or a list, parted by commas, of numbers, names (jan, mon) and ranges; `*` and ranges
    take a step, as in `*/15`. A range may run past its end, as in fri-mon. Sunday is 0.
    """
    columns = cron.split()
    if len(columns) != len(_COLUMNS) or len(cron) > _MOST_CHARACTERS:
        return (
            f"it has {len(columns)} fields, not five" if len(columns) != len(_COLUMNS) else "it is too long"
        )
    try:
        values = [_values(text.lower(), column) for text, column in zip(columns, _COLUMNS, strict=True)]
    except _Fault as fault:
        return str(fault)
    _, _, days, months, _ = values
    if min(days) > max(_LONGEST_MONTH[month] for month in months):
        return "no such month has a day like that, so it would never come"
    return None


def _values(text: str, column: _Column) -> set[int]:
    values: set[int] = set()
    for part in text.split(","):
        found = _PART.match(part)
        if not found:
            raise _Fault(f'its {column.what} "{part[:20]}" is neither *, a number, a name nor a range')
        values |= _part_values(found, column)
    return values


def _part_values(found: re.Match[str], column: _Column) -> set[int]:
    every = list(range(column.low, column.high + 1))
    if found["star"]:
        span = every
    else:
        first = _number(found["first"], column)
        last = _number(found["last"], column) if found["last"] else first
        span = [first] if first == last else every[first - column.low :] + every
        span = span[: (last - first) % len(every) + 1]
    step = found["step"]
    if step is None:
        return set(span)
    if not found["star"] and not found["last"]:
        raise _Fault(
            f'its {column.what} "{found[0]}" has a step but no range: write "{found["first"]}-{column.high}/{step}"'
        )
    if int(step) < 1:
        raise _Fault(f"its {column.what} has a step of 0")
    return set(span[:: int(step)])


def _number(text: str, column: _Column) -> int:
    if text.isdigit():
        number = int(text)
    elif text in column.names:
        number = column.names.index(text) + column.low
    else:
        raise _Fault(f'its {column.what} "{text}" is not known')
    if not column.low <= number <= column.high:
        hint = "; Sunday is 0" if column.what == "day of week" and number == 7 else ""
        raise _Fault(f"its {column.what} {number} is not from {column.low} to {column.high}{hint}")
    return number
