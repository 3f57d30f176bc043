"""Every row of docs/systems.md is proven by a test that exists, or says what it waits for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "systems.md"
SIZES = {"S0": 25, "S1": 15, "S2": 17, "S3": 21, "S4": 20}
# The parts of Celeriac that a row may still wait for.
AWAITED = {"Systems", "Ship", "Engine", "Redis Cluster", "Security"}
NAMED = re.compile(r"`([^`]+)`")


class Row(NamedTuple):
    number: str
    what: str
    files: str
    tests: str


def rows() -> Iterator[Row]:
    for line in PAGE.read_text().splitlines():
        if re.match(r"\| S\d\.\d+ \|", line):
            number, what, files, tests = (cell.strip() for cell in line.strip("|").split(" | "))
            yield Row(number, what, files, tests)


def awaited(cell: str) -> set[str]:
    """What a cell waits for; a cell may name files and wait for the rest."""
    return {name.strip() for name in re.findall(r"pending: ([A-Z][\w ]*)", cell)}


def missing(cell: str) -> list[str]:
    """The files and tests a cell names that are not there."""
    gone = []
    for name in NAMED.findall(cell):
        path, _, test = name.partition("::")
        file = ROOT / path
        if not file.exists() or (test and not re.search(rf"def {re.escape(test)}\(", file.read_text())):
            gone.append(name)
    return gone


def test_the_page_has_every_row_once_and_in_order():
    expected = [f"{system}.{n}" for system, size in SIZES.items() for n in range(1, size + 1)]
    assert [row.number for row in rows()] == expected


@pytest.mark.parametrize("row", list(rows()), ids=lambda row: row.number)
def test_a_row_names_files_and_tests_that_exist_or_what_it_waits_for(row: Row):
    for cell in (row.files, row.tests):
        assert NAMED.search(cell) or awaited(cell), f"{row.number} names nothing"
        assert missing(cell) == []
        assert awaited(cell) <= AWAITED


def test_a_name_that_does_not_exist_is_found():
    assert (
        missing("`README.md`, `tests/unit/test_systems_table.py::test_a_name_that_does_not_exist_is_found`")
        == []
    )
    assert missing("`no/such.py`, `README.md::test_nothing`") == ["no/such.py", "README.md::test_nothing"]
