"""Durations, sizes and rates as people write them ("30s", "512MiB", "100/m"), read into typed values."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import NamedTuple

_DURATION_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE_UNITS_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
#: a hundred years: adding it to any date of today stays a date
_LONGEST_S = 36_525 * 86_400.0
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)\Z")
_CPUS = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)(m)?\Z")
_SIZE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(B|KiB|MiB|GiB|TiB)\Z")
_RATE_UNITS_S = {"s": 1, "m": 60, "h": 3600}
_RATE = re.compile(r"([0-9]{1,7})/(s|m|h)\Z")
_HIGHEST_RATE = 1_000_000


class Rate(NamedTuple):
    """So many in any window of this length; `most` is from 1 to a million."""

    most: int
    unit: timedelta


def duration(text: str) -> timedelta:
    """Read "500ms", "30s", "5m", "2h" or "7d".

    Raises: ValueError with the known units if the text is none of these, or says more than a hundred years.
    """
    found = _DURATION.match(text)
    if not found:
        raise ValueError(f'"{text}" is not a duration: write a number and one of ms, s, m, h, d, like "30s"')
    seconds = float(found[1]) * _DURATION_UNITS_S[found[2]]
    if seconds > _LONGEST_S:
        raise ValueError(f'"{text}" is longer than a hundred years ("36525d")')
    return timedelta(seconds=seconds)


def size_bytes(text: str) -> int:
    """Read "512MiB" or "2GiB" into bytes.

    Raises: ValueError with the known units if the text is none of these.
    """
    found = _SIZE.match(text)
    if not found:
        raise ValueError(
            f'"{text}" is not a size: write a number and one of B, KiB, MiB, GiB, TiB, like "512MiB"'
        )
    return int(float(found[1]) * _SIZE_UNITS_BYTES[found[2]])


def rate(text: str) -> Rate:
    """Read "10/s", "100/m" or "1000/h".

    Raises: ValueError with the known forms if the text is none of these, or the number is none from 1 to a million.
    """
    found = _RATE.match(text)
    count = int(found[1]) if found else 0
    if not found or not 1 <= count <= _HIGHEST_RATE:
        raise ValueError(
            f'"{text}" is not a rate: write a whole number from 1 to 1000000, a slash and one of s, m, h, like "100/m"'
        )
    return Rate(count, timedelta(seconds=_RATE_UNITS_S[found[2]]))


def cpus(text: str) -> float | None:
    """Read "2", "0.5" or "500m" (thousandths) into CPUs; None if it is none of these, or none at all."""
    found = _CPUS.match(text)
    number = float(found[1]) / (1000 if found[2] else 1) if found else 0.0
    return number or None


def say_size(size: int) -> str:
    """Write a size as the plan would: the largest unit that leaves a whole number."""
    for unit, factor in reversed(_SIZE_UNITS_BYTES.items()):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{size}B"


def say_duration(span: timedelta) -> str:
    """Write a duration as the plan would: the largest unit that leaves a whole number."""
    milliseconds = round(span.total_seconds() * 1000)
    for unit, factor in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds and milliseconds % factor == 0:
            return f"{milliseconds // factor}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"


def say_age(seconds: float | None) -> str:
    """Write a span as people read it: "0.4s", "12s", "3m 5s", "2h 10m", "4d 3h"; "-" for None."""
    if seconds is None:
        return "-"
    if seconds < 10:
        return f"{max(seconds, 0):.1f}s"
    whole = timedelta(seconds=int(seconds))
    minutes, second = divmod(whole.seconds, 60)
    hours, minute = divmod(minutes, 60)
    if whole.days:
        return f"{whole.days}d {hours}h"
    if hours:
        return f"{hours}h {minute}m"
    return f"{minute}m {second}s" if minute else f"{second}s"
