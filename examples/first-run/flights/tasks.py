"""The steps of the pipeline. Each can be run again: what it writes is put in place whole, or not at all."""

from __future__ import annotations

import csv
import json
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from celery import shared_task

from flights import store
from flights.rows import COLUMNS, Flight, MalformedRows, defects, flight_of, kind_of_weather
from flights.source import table

DATABASE = Path("flights.db")


@shared_task(name="flights.extract")
def extract(copy: str, first_row: int, start: int, end: int) -> str:
    """Cut a chunk out of the working copy; give its file."""
    with Path(copy).open("rb") as file:
        file.seek(start)
        return _put("chunks", first_row, "csv", file.read(end - start).decode())


@shared_task(name="flights.validate")
def validate(chunk: str, repairs: dict[str, dict[str, str]] | None = None) -> str:
    """Check every row of a chunk; give the file of the sound chunk.

    repairs: for a column, what to read instead of a value, like {"tailnum": {"X1": "NA"}}.
    Raises: MalformedRows, naming each row and what is wrong with it.
    """
    rows, wrong = [], []
    for number, row in enumerate(_read(chunk), start=_first_row(chunk)):
        for column, readings in (repairs or {}).items():
            row[column] = readings.get(row[column], row[column])
        wrong += [f"row {number}: {defect}" for defect in defects(row, _carriers())]
        rows.append(",".join(row.values()))
    if wrong:
        raise MalformedRows("; ".join(wrong))
    return _put("sound", _first_row(chunk), "csv", "\n".join(rows) + "\n")


@shared_task(name="flights.transform")
def transform(chunk: str) -> str:
    """Turn the rows of a sound chunk into flights, with their weather; give the file."""
    flights = [
        flight_of(number, row, _weather()) for number, row in enumerate(_read(chunk), start=_first_row(chunk))
    ]
    return _put("transformed", _first_row(chunk), "json", json.dumps(flights))


@shared_task(name="flights.load")
def load(chunk: str) -> int:
    """Load the flights of a chunk; give their number."""
    flights = [Flight(*values) for values in json.loads(Path(chunk).read_text())]
    store.load(DATABASE, _first_row(chunk), flights)
    return len(flights)


@shared_task(name="flights.summarise")
def summarise(loaded: list[int]) -> dict[str, Any]:
    """Say who was late, and in which weather; the body of the chord, so all chunks are loaded."""
    store.note_summary(DATABASE, len(loaded), sum(loaded))
    names = {airline["carrier"]: airline["name"] for airline in table("airlines")}
    by_airline = [(names[code], *rest) for code, *rest in store.delays(DATABASE, "carrier")]
    return {"rows": sum(loaded), "airlines": by_airline, "weather": store.delays(DATABASE, "weather")}


def _read(chunk: str) -> list[dict[str, str]]:
    with Path(chunk).open(newline="") as file:
        return list(csv.DictReader(file, fieldnames=COLUMNS))


def _put(folder: str, first_row: int, suffix: str, text: str) -> str:
    """Write a file whole: who reads it meanwhile, or after a kill, never sees half of it."""
    path = Path(folder) / f"{first_row:06}.{suffix}"
    path.parent.mkdir(exist_ok=True)
    half = path.with_suffix(f".{uuid4().hex}")
    half.write_text(text)
    half.replace(path)
    return str(path)


def _first_row(chunk: str) -> int:
    return int(Path(chunk).stem)


@lru_cache(maxsize=1)
def _carriers() -> dict[str, str]:
    return {airline["carrier"]: airline["name"] for airline in table("airlines")}


@lru_cache(maxsize=1)
def _weather() -> dict[tuple[str, str], str]:
    return {(each["origin"], each["time_hour"]): kind_of_weather(each) for each in table("weather")}
