"""A letter to a row of the table, and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from kombu.utils import json as kombu_json

from celeriac.records.letter import Letter

_FIELDS = tuple(Letter.__struct_fields__)
_dumps: Callable[[Any], str] = kombu_json.dumps
_loads: Callable[[str], Any] = kombu_json.loads
_JSON = ("headers", "properties", "original")


def to_row(letter: Letter, recorded_at: float) -> dict[str, Any]:
    """Give the letter as values for the columns of `schema.letters`."""
    row = msgspec.structs.asdict(letter)
    row["recorded_at"] = recorded_at
    for name in _JSON:
        row[name] = None if row[name] is None else to_json(row[name])
    return row


def from_row(row: Mapping[str, Any]) -> Letter:
    """Read a row of `schema.letters`."""
    values = {name: row[name] for name in _FIELDS}
    values["body"] = bytes(values["body"])
    for name in _JSON:
        values[name] = None if values[name] is None else from_json(values[name])
    return Letter(**values)


def to_json(values: Mapping[str, Any]) -> str:
    """Write headers or properties; dates as kombu spells them, what JSON cannot hold as its repr."""
    try:
        return _dumps(values)
    except (TypeError, ValueError, RecursionError, OverflowError):
        return json.dumps({str(name): _held(value) for name, value in values.items()})


def _held(value: Any) -> Any:
    try:
        return json.loads(_dumps(value))
    except (TypeError, ValueError, RecursionError, OverflowError):
        try:
            return repr(value)
        except (RecursionError, ValueError):
            return f"<{type(value).__name__}>"


def from_json(text: str) -> dict[str, Any]:
    """Read what `to_json` wrote."""
    try:
        read = _loads(text)
    except (TypeError, ValueError, AttributeError, KeyError):
        # A header may look like kombu's spelling of a date without being one; then it stays what it is.
        read = json.loads(text)
    return read if isinstance(read, dict) else {}
