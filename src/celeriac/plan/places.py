"""Places: how the parts of a plan are called in its file, or in Python."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

import msgspec

from celeriac.plan.report import PlanPath

#: the keys of a plan that stand in the table [celeriac] of a celeriac.toml
HEAD = ("name", "app", "imports", "broker", "results", "state", "coordination")
SECTIONS = (
    "queues",
    "pools",
    "tasks",
    "schedules",
    "celery",
    "sending",
    "security",
    "letters",
    "records",
    "beat",
    "metrics",
    "logs",
    "tracing",
    "sentry",
    "flower",
    "flowers",
    "deploy",
    "alerts",
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+\Z")


class Layout(msgspec.Struct, frozen=True):
    """How a file lays out a plan: celeriac.toml has a table [celeriac], pyproject.toml has all in [tool.celeriac].

    table: the table that holds the whole plan.
    head: the table inside it that holds the keys of HEAD.
    """

    table: tuple[str, ...]
    head: tuple[str, ...]

    def file_path(self, path: PlanPath, environment: str | None = None) -> PlanPath:
        """Give the keys of a part of the plan in the file, in the plan itself or in one of its environments."""
        laid = ("environments", environment) if environment else ()
        head = self.head if path and path[0] in HEAD else ()
        return (*self.table, *laid, *head, *path)

    def bracket_length(self, path: PlanPath, environment: str | None = None) -> int:
        """Say how many keys of the file path name its table."""
        outer = len(self.table) + (2 if environment else 0)
        if path and path[0] in HEAD:
            return outer + len(self.head)
        if path and path[0] in (
            "celery",
            "sending",
            "letters",
            "records",
            "beat",
            "metrics",
            "logs",
            "tracing",
            "sentry",
            "flower",
            "deploy",
            "alerts",
            "celeriac",
        ):
            return outer + 1
        # One key alone is a section, else a key where none belongs.
        return outer + (0 if len(path) == 1 and path[0] not in SECTIONS else 2)


CELERIAC_TOML = Layout(table=(), head=("celeriac",))
PYPROJECT_TOML = Layout(table=("tool", "celeriac"), head=())


def layout_of(source: Path) -> Layout:
    """Tell by its name how a file lays out the plan."""
    return PYPROJECT_TOML if source.name == "pyproject.toml" else CELERIAC_TOML


class FilePlaces:
    """Places in a file, with line numbers.

    lines: called once, when the first problem is found; path in the file -> line.
    """

    def __init__(
        self,
        source: Path,
        layout: Layout,
        lines: Callable[[], dict[PlanPath, int]],
        environment: str | None = None,
    ) -> None:
        self._source = source
        self._layout = layout
        self._read_lines = lines
        self._environment = environment

    @cached_property
    def _lines(self) -> dict[PlanPath, int]:
        return self._read_lines()

    def at(self, path: PlanPath) -> str:
        line, environment = self._find(path)
        file_path = self._layout.file_path(path, environment)
        bracket = self._layout.bracket_length(path, environment)
        label = _label([key for key in file_path if isinstance(key, str)], bracket)
        place = f"{shown(self._source)}:{line}" if line else shown(self._source)
        return f"{place}, {label}" if label else place

    def order(self, path: PlanPath) -> int:
        return self._find(path)[0]

    def _find(self, path: PlanPath) -> tuple[int, str | None]:
        """Find the line of a part, or of the nearest part around it, and the environment it stands in."""
        # What an environment writes itself wins; what nobody wrote is missed in the plan before its environment.
        laid_over = dict.fromkeys((self._environment, None))
        for length in range(len(path), 0, -1):
            for environment in laid_over if length == len(path) else reversed(laid_over):
                line = self._lines.get(self._layout.file_path(path[:length], environment))
                if line:
                    return line, environment
        return 0, None


class PythonPlaces:
    """Places in a plan built in Python."""

    def at(self, path: PlanPath) -> str:
        return "".join(["Plan", *_accessors(path)])

    def order(self, path: PlanPath) -> int:
        return 0


def absolute(path: str | Path) -> Path:
    """Give the path from the root, without `..`; links stay as they are written."""
    try:
        return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() follows links, absolute() keeps `..`
    except OSError:
        # The working folder is gone.
        return Path(path)


def shown(source: Path) -> str:
    """Write a file's path as a person here would: from the working folder if it is inside."""
    try:
        return str(source.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(source)


def _accessors(path: PlanPath) -> Iterator[str]:
    is_entry_name = False
    for key in path:
        if isinstance(key, int):
            yield f"[{key}]"
        elif is_entry_name:
            yield f'["{key}"]'
        else:
            yield f".{key}"
        is_entry_name = (
            key in ("queues", "pools", "tasks", "schedules", "flowers", "kwargs") and not is_entry_name
        )


def _label(keys: list[str], bracket: int) -> str:
    """Write the keys as `[table.name].key`."""
    if not keys:
        return ""
    quoted = [key if _BARE_KEY.match(key) else f'"{key}"' for key in keys]
    inside, after = quoted[:bracket], quoted[bracket:]
    return ".".join([f"[{'.'.join(inside)}]" if inside else "", *after]).lstrip(".")
