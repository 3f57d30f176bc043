"""The shape of a plan: each value read as the type of its field, whether it comes from TOML or from Python."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec

from celeriac.plan.kinds import Field, Kind, described, fields_of
from celeriac.plan.model import Plan
from celeriac.plan.report import PlanPath, Report, clipped, write_or
from celeriac.plan.variables import FromEnvironment, Unresolved
from celeriac.units import duration, say_duration, say_size, size_bytes


class _Bad:
    """Stands for a value that was reported; the field is read as if it were left out."""


_BAD = _Bad()
#: what a signed 64 bit integer holds; bigger ones are beyond most of what reads a message
_BIGGEST = 2**63
_PLACEHOLDERS = {"text": "", "list": (), "number": 1}


class Shape:
    """Reads values as kinds and reports each one that does not fit.

    partial: the values are laid over others (an environment): nothing is required, and a value whose variables
        are not set here is taken on trust.
    typed: the values are those of a Plan: durations are timedeltas and tables are structs.
    """

    def __init__(self, report: Report, *, partial: bool = False, typed: bool = False) -> None:
        self._report = report
        self._partial = partial
        self._typed = typed

    def plan(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Read the keys of a whole plan into the fields of `Plan`; what does not fit is left out."""
        return self._fields(fields_of(Plan), values, ())

    def _fields(self, fields: dict[str, Field], values: Mapping[str, Any], path: PlanPath) -> dict[str, Any]:
        read = {}
        for name in values:
            if name not in fields:
                self._report.unknown_key((*path, name), _owner(path), fields)
        for name, field in fields.items():
            value = self._value(field.kind, values[name], (*path, name)) if name in values else _BAD
            if name not in values and field.required and not self._partial:
                self._missing_key(field, path)
            if value is not _BAD:
                read[name] = value
            elif field.required:
                # What is reported already gets a placeholder, so that the rest can be judged.
                read[name] = _PLACEHOLDERS[field.kind.base]
        return read

    def _value(self, kind: Kind, value: Any, path: PlanPath) -> Any:  # noqa: PLR0911 - one line per kind
        if isinstance(value, Unresolved) and self._partial:
            return _BAD
        if kind.optional and value is None:
            return None
        if kind.none_word and value == kind.none_word and not self._typed:
            return None
        match kind.base:
            case "text":
                return self._text(kind, value, path)
            case "number":
                return self._number(kind, value, path)
            case "truth":
                return self._truth(kind, value, path)
            case "duration" | "size":
                return self._measure(kind, value, path)
            case "choice":
                return self._choice(kind, value, path)
            case "list":
                return self._list(kind, value, path)
            case "map":
                return self._map(kind, value, path)
            case "table":
                return self._table(kind, value, path)
            case "any":
                return self._anything(value, path)

    def _text(self, kind: Kind, value: Any, path: PlanPath) -> Any:
        if kind.several and isinstance(value, list | tuple):
            return self._texts(kind, value, path)
        if (
            kind.secret
            and value
            and isinstance(value, str)
            and not (self._typed or isinstance(value, FromEnvironment))
        ):
            self._report.add(
                path,
                "PLAN-075",
                f"{path[-1]} is a secret, and a plan file is no place for one.",
                fix='write a variable, like "${NAME:-}", and set it where the process starts',
            )
            return _BAD
        # A NUL or a line break ends a C string, a log line or a header somewhere down the road.
        if isinstance(value, str) and value.isprintable():
            return str(value)
        return self._wrong(kind, value, path)

    def _texts(self, kind: Kind, values: list[Any] | tuple[Any, ...], path: PlanPath) -> Any:
        """Read a list where one text would do too; of one text left, that one."""
        one = msgspec.structs.replace(kind, several=False)
        read = [self._value(one, each, (*path, at)) for at, each in enumerate(values)]
        if any(each is _BAD for each in read):
            return _BAD
        kept = tuple(each for each in read if each)
        if not kept:
            self._report.add(
                path,
                "PLAN-048",
                f"{path[-1]} is a list in which nothing is left.",
                fix="write at least one that no empty variable can leave out",
            )
            return _BAD
        return kept if len(kept) > 1 else kept[0]

    def _number(self, kind: Kind, value: Any, path: PlanPath) -> Any:
        if kind.struct and isinstance(value, dict | kind.struct):
            return self._table(kind, value, path)
        if isinstance(value, FromEnvironment):
            # The environment has only text, so a text from there may stand for a number.
            number = int(value) if value.isascii() and value.isdigit() and len(value) < 20 else value
        else:
            number = value
        if isinstance(number, bool) or not isinstance(number, int):
            return self._wrong(kind, value, path)
        return self._ranged(kind, number, number, path)

    def _truth(self, kind: Kind, value: Any, path: PlanPath) -> Any:
        if isinstance(value, FromEnvironment) and value in ("true", "false"):
            return value == "true"
        return value if isinstance(value, bool) else self._wrong(kind, value, path)

    def _measure(self, kind: Kind, value: Any, path: PlanPath) -> Any:
        measured: Any = value
        if not self._typed and isinstance(value, str):
            try:
                measured = duration(value) if kind.base == "duration" else size_bytes(value)
            except ValueError:
                return self._wrong(kind, value, path)
        elif not self._typed or isinstance(value, bool):
            return self._wrong(kind, value, path)
        if kind.base == "duration" and isinstance(measured, timedelta):
            return self._ranged(kind, measured, measured.total_seconds(), path)
        if kind.base == "size" and isinstance(measured, int):
            return self._ranged(kind, measured, measured, path)
        return self._wrong(kind, value, path)

    def _choice(self, kind: Kind, value: Any, path: PlanPath) -> Any:
        if isinstance(value, str) and value in kind.choices:
            return str(value)
        self._report.add(
            path,
            "PLAN-014",
            f"{path[-1]} is {_said(value)}, which is not one of its values.",
            known=kind.choices,
            fix=write_or(str(value), kind.choices, "write one of the known values"),
        )
        return _BAD

    def _list(self, kind: Kind, value: Any, path: PlanPath) -> Any:
        if not isinstance(value, list | tuple):
            return self._wrong(kind, value, path)
        item = kind.item or Kind(base="any")
        read = [self._value(item, each, (*path, at)) for at, each in enumerate(value)]
        return _BAD if any(each is _BAD for each in read) else tuple(read)

    def _map(self, kind: Kind, value: Any, path: PlanPath) -> Any:
        if not isinstance(value, dict):
            return self._wrong(kind, value, path)
        item = kind.item or Kind(base="any")
        read = {}
        for name, each in value.items():
            if not isinstance(name, str):
                self._wrong(Kind(base="text"), name, path)
                continue
            entry = self._value(item, each, (*path, name))
            # A bad table still declares its name; what it holds is reported already.
            if entry is not _BAD:
                read[name] = entry
        return read

    def _anything(self, value: Any, path: PlanPath) -> Any:
        """Take any value of a file, as plain lists, dicts and texts; a value in Python is the sender's business."""
        if self._typed:
            return value
        if isinstance(value, FromEnvironment):
            return str(value)
        if isinstance(value, list):
            return [self._anything(each, (*path, at)) for at, each in enumerate(value)]
        if isinstance(value, dict):
            return {key: self._anything(each, (*path, key)) for key, each in value.items()}
        if isinstance(value, int) and abs(value) >= _BIGGEST:
            return self._wrong(Kind(base="number", low=-_BIGGEST, high=_BIGGEST - 1), value, path)
        return value

    def _table(self, kind: Kind, value: Any, path: PlanPath) -> Any:
        struct = kind.struct
        values = value
        if self._typed and struct is not None and isinstance(value, struct):
            values = msgspec.structs.asdict(value)
        if struct is None or not isinstance(values, dict) or (self._typed and values is value):
            return self._wrong(kind, value, path)
        return struct(**self._fields(fields_of(struct), values, path))

    def _ranged(self, kind: Kind, value: Any, size: float, path: PlanPath) -> Any:
        below = kind.low is not None and size < kind.low
        above = kind.high is not None and size > kind.high
        if not below and not above:
            return value
        bound = _bound(kind, kind.low if below else kind.high)
        self._report.add(
            path,
            "PLAN-015",
            f"{path[-1]} is {_bound(kind, size)}, {'less' if below else 'more'} than {bound}.",
            fix=f"write {bound} or {'more' if below else 'less'}",
        )
        return _BAD

    def _wrong(self, kind: Kind, value: Any, path: PlanPath) -> Any:
        self._report.wrong_type(path, _said(value), described(kind, typed=self._typed))
        return _BAD

    def _missing_key(self, field: Field, path: PlanPath) -> None:
        self._report.add(
            (*path, field.name),
            "PLAN-013",
            f'{_owner(path)} has no "{field.name}".',
            fix=f"add {field.name}: {described(field.kind, typed=self._typed)}",
        )


def _owner(path: PlanPath) -> str:
    if not path:
        return "a plan"
    singular = {
        "queues": "queue",
        "pools": "pool",
        "tasks": "task",
        "schedules": "schedule",
        "flowers": "flower",
    }
    if len(path) > 1 and path[0] in singular:
        owner = f'{singular[str(path[0])]} "{clipped(str(path[1]))}"'
        return owner if len(path) == 2 else f"{path[-1]} of {owner}"
    return ".".join(str(part) for part in path)


def _bound(kind: Kind, size: float | None) -> str:
    if kind.base == "duration":
        return f'"{say_duration(timedelta(seconds=size or 0))}"'
    if kind.base == "size":
        return f'"{say_size(int(size or 0))}"'
    return str(int(size or 0)) if abs(size or 0) < _BIGGEST else "a number too big"


def _said(value: Any) -> str:
    """Say what was found; the value of a variable may be a secret, so only its name is said."""
    if isinstance(value, FromEnvironment):
        return f'the value of "{value.reference}"'
    if isinstance(value, str):
        return f'"{clipped(value)}"' if value.isprintable() else repr(clipped(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    words = {dict: "a table", list: "a list", tuple: "a list", type(None): "nothing"}
    return words.get(type(value)) or clipped(_number_or_type(value))


def _number_or_type(value: Any) -> str:
    if isinstance(value, float) or (isinstance(value, int) and abs(value) < _BIGGEST):
        return str(value)
    return "a number too big" if isinstance(value, int) else f"a {type(value).__name__}"
