"""What a row must be, and what it becomes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

COLUMNS = (
    *("year", "month", "day", "dep_time", "sched_dep_time", "dep_delay"),
    *("arr_time", "sched_arr_time", "arr_delay", "carrier", "flight", "tailnum"),
    *("origin", "dest", "air_time", "distance", "hour", "minute", "time_hour"),
)
UNKNOWN = "NA"
_ALWAYS_NUMBERS = ("year", "month", "day", "sched_dep_time", "sched_arr_time", "flight", "distance", "hour")
_SOMETIMES_NUMBERS = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")
_CLOCKS = ("dep_time", "sched_dep_time", "arr_time", "sched_arr_time")
_NUMBER = re.compile(r"-?\d+\Z")
# American registrations begin with N. Some airlines put their own fleet number behind it, which we let pass.
_TAIL = re.compile(r"N[0-9A-Z]{1,5}\Z")
_DAY_MINUTES = 24 * 60

Row = Mapping[str, str]


class MalformedRows(ValueError):
    """Rows that cannot be taken as they are; says which, and what is wrong with each."""


class Flight(NamedTuple):
    """A flight as it is loaded; times in UTC and ISO 8601, delays in minutes, distance in miles."""

    row: int
    scheduled_at: str
    departed_at: str | None
    departure_delay: int | None
    arrival_delay: int | None
    outcome: str  # landed, diverted, cancelled
    carrier: str
    flight: int
    tail: str | None
    origin: str
    destination: str
    distance: int
    weather: str


def defects(row: Row, carriers: Sequence[str] | Mapping[str, str]) -> list[str]:
    """Say what is wrong with a row; nothing if it can be taken."""
    if set(row) != set(COLUMNS) or None in row.values():
        return [f"has {len(row)} columns, not {len(COLUMNS)}"]
    found = [f'{name} "{row[name]}" is no number' for name in _ALWAYS_NUMBERS if not _NUMBER.match(row[name])]
    found += [
        f'{name} "{row[name]}" is no number'
        for name in _SOMETIMES_NUMBERS
        if row[name] != UNKNOWN and not _NUMBER.match(row[name])
    ]
    if row["tailnum"] != UNKNOWN and not _TAIL.match(row["tailnum"]):
        found.append(f'tailnum "{row["tailnum"]}" is no American registration: they begin with N')
    if row["carrier"] not in carriers:
        found.append(f'carrier "{row["carrier"]}" is not among the airlines')
    return found or [*_bad_clocks(row), *_bad_delays(row)]


def _bad_clocks(row: Row) -> list[str]:
    # 2400 is midnight at the end of a day; the data uses it, and so does ISO 8601.
    known = {name: int(row[name]) for name in _CLOCKS if row[name] != UNKNOWN}
    return [
        f"{name} {at} is no time of day" for name, at in known.items() if not 0 <= at <= 2400 or at % 100 > 59
    ]


def _bad_delays(row: Row) -> list[str]:
    found = []
    for planned, actual, delay in (
        ("sched_dep_time", "dep_time", "dep_delay"),
        ("sched_arr_time", "arr_time", "arr_delay"),
    ):
        if UNKNOWN in (row[actual], row[delay]):
            continue
        passed = _minutes(row[actual]) - _minutes(row[planned])
        if (passed - int(row[delay])) % _DAY_MINUTES:
            found.append(f"{delay} {row[delay]} does not fit {row[planned]} and {row[actual]}")
    return found


def _minutes(clock: str) -> int:
    return int(clock) // 100 * 60 + int(clock) % 100


def flight_of(number: int, row: Row, weather: Mapping[tuple[str, str], str]) -> Flight:
    """Make a flight of a sound row.

    number: its place in the data set, 1 first. weather: by origin and UTC hour, as `row["time_hour"]` writes it.
    """
    hour = datetime.fromisoformat(row["time_hour"])
    scheduled = hour + timedelta(minutes=int(row["minute"]))
    delay = _number(row["dep_delay"])
    departed = None if delay is None else scheduled + timedelta(minutes=delay)
    landed = row["air_time"] != UNKNOWN
    return Flight(
        row=number,
        scheduled_at=scheduled.isoformat(),
        departed_at=departed.isoformat() if departed else None,
        departure_delay=delay,
        arrival_delay=_number(row["arr_delay"]),
        outcome="landed" if landed else "diverted" if departed else "cancelled",
        carrier=row["carrier"],
        flight=int(row["flight"]),
        tail=None if row["tailnum"] == UNKNOWN else row["tailnum"],
        origin=row["origin"],
        destination=row["dest"],
        distance=int(row["distance"]),
        weather=weather.get((row["origin"], row["time_hour"]), "not recorded"),
    )


def _number(text: str) -> int | None:
    return None if text == UNKNOWN else int(text)


def kind_of_weather(reading: Row) -> str:
    """Name the weather of one hourly reading by what hinders flying most."""

    def value(name: str, otherwise: float) -> float:
        return otherwise if reading[name] == UNKNOWN else float(reading[name])

    if value("visib", 10.0) < 3:
        return "fog or heavy rain"
    if value("precip", 0.0) > 0:
        return "rain or snow"
    return "wind" if value("wind_speed", 0.0) >= 20 else "fair"
