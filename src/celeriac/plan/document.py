"""The document: the text of a plan file, read within bounds, parsed, and brought into the one layout of `Plan`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec

from celeriac.errors import PlanError
from celeriac.plan.lines import extent, locate
from celeriac.plan.places import HEAD, SECTIONS, FilePlaces, Layout, layout_of, shown
from celeriac.plan.report import PlanPath, Report, clipped

#: a plan of a hundred pools is a fifth of this; the worst text of this size is refused well within a second
_LARGEST_BYTES = 128 * 1024
_DEEPEST = 16
_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)\Z")


class Document(msgspec.Struct, frozen=True):
    """A parsed plan file.

    values: its keys as in `Plan`, whatever the file's layout, before variables are filled in.
    environments: what each environment lays over, in the same layout.
    lines: path in the file -> line, worked out when first asked.
    """

    source: Path
    layout: Layout
    lines: Callable[[], dict[PlanPath, int]]
    values: dict[str, Any]
    environments: dict[str, dict[str, Any]]

    def places(self, environment: str | None = None) -> FilePlaces:
        """Say where the parts of this plan stand."""
        return FilePlaces(self.source, self.layout, self.lines, environment)


def read_text(source: Path) -> str:
    """Read the text of a plan file, its line ends made one newline.

    Raises: PlanError if the file is missing, unreadable, not text or too large.
    """
    try:
        if not source.is_file():
            raise _unreadable(source, "it is not a file" if source.exists() else "there is no such file")
        with source.open("rb") as file:
            raw = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise _unreadable(source, error.strerror or str(error)) from error
    except ValueError as error:  # a NUL in the path
        raise _unreadable(source, str(error)) from error
    if len(raw) > _LARGEST_BYTES:
        raise PlanError(
            "PLAN-003",
            f"the plan is larger than {_LARGEST_BYTES // 1024} KiB.",
            at=shown(source),
            fix="move what is no plan out of it; many like tasks are one glob, many like workers are replicas",
        )
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise PlanError(
            "PLAN-004", "the plan is not UTF-8 text.", at=f"{shown(source)}:{line}", fix="save it as UTF-8"
        ) from error


def parse(text: str, source: Path) -> dict[str, Any]:
    """Parse TOML within bounds.

    Raises: PlanError with the line of the first syntax error, or if the text nests too deeply.
    """
    depth = extent(text)
    if max(depth) > _DEEPEST:
        raise PlanError(
            "PLAN-005",
            f"the plan nests more than {_DEEPEST} levels deep.",
            at=shown(source),
            fix="write it flatter; no key of a plan is more than six levels deep",
        )
    try:
        return tomllib.loads(text)
    except (ValueError, OverflowError, RecursionError) as error:
        said = str(error)
        found = _PLACE.search(said)
        line = int(found[1]) if found and found[1] else text.count("\n") + 1
        raise PlanError(
            "PLAN-006",
            f"the plan is not TOML: {clipped(_PLACE.sub('', said), 200)}.",
            at=f"{shown(source)}:{line}",
            fix="mend the syntax on this line or the one before",
        ) from error


def open_document(source: Path) -> tuple[Document, Report]:
    """Read and parse a plan file; what its outline has wrong is in the report.

    Raises: PlanError if the file cannot be read or parsed, or is a pyproject.toml without [tool.celeriac].
    """
    text = read_text(source)
    table: Any = parse(text, source)
    layout = layout_of(source)
    for name in layout.table:
        table = table.get(name) if isinstance(table, dict) else None
    if not isinstance(table, dict):
        raise PlanError(
            "PLAN-002",
            "this file holds no plan: it has no table [tool.celeriac].",
            at=shown(source),
            fix="add [tool.celeriac], or write the plan into a celeriac.toml",
        )
    lines = cache(partial(locate, text))
    report = Report(FilePlaces(source, layout, lines))
    outline = _Outline(layout, report)
    environments = outline.environments(table.pop("environments", {}))
    values = outline.lifted(table, (), ("environments",))
    return Document(source, layout, lines, values, environments), report


class _Outline:
    """Brings the tables of a file into the layout of `Plan`, and reports what is no part of one."""

    def __init__(self, layout: Layout, report: Report) -> None:
        self._layout = layout
        self._report = report
        self._top = (*self._layout.head, *(() if layout.head else HEAD), *SECTIONS)

    def lifted(self, table: dict[str, Any], path: PlanPath, extra: tuple[str, ...] = ()) -> dict[str, Any]:
        """Put the keys of the head table beside the sections.

        extra: keys that are known here too, but read elsewhere.
        """
        values: dict[str, Any] = {}
        for name, value in table.items():
            if name in self._layout.head:
                values.update(self._head(value, (*path, name)))
            elif name in self._top:
                values[name] = value
            else:
                home = "move it into [celeriac]" if name in HEAD else None
                self._report.unknown_key((*path, name), "a plan", (*self._top, *extra), home)
        return values

    def environments(self, value: Any) -> dict[str, dict[str, Any]]:
        if not isinstance(value, dict):
            self._report.wrong_type(("environments",), "a single value", "a table")
            return {}
        found = {}
        for name, table in value.items():
            if isinstance(table, dict):
                found[name] = self.lifted(table, ("environments", name))
            else:
                self._report.wrong_type(("environments", name), "a single value", "a table")
        return found

    def _head(self, value: Any, path: PlanPath) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._report.wrong_type(path, "a single value", "a table")
            return {}
        for name in value:
            if name not in HEAD:
                home = f"move it out of [celeriac], to [{name}]" if name in SECTIONS else None
                self._report.unknown_key((*path, name), "[celeriac]", HEAD, home)
        return {name: each for name, each in value.items() if name in HEAD}


def _unreadable(source: Path, reason: str) -> PlanError:
    return PlanError(
        "PLAN-001",
        f"the plan cannot be read: {clipped(reason, 200)}.",
        at=shown(source),
        fix="name a readable celeriac.toml or pyproject.toml",
    )
