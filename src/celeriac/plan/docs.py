"""The words of the plan's types: the promise of each struct, and what its docstring says of each field.

Docstrings speak of Python's None; the words here speak of the file, where a key is left out or has a word for it.
"""

from __future__ import annotations

import inspect
import re

import msgspec

from celeriac.plan.kinds import Kind, fields_of

_FIELD = re.compile(r"([a-z_]+): (.*)")


class Docs(msgspec.Struct, frozen=True):
    """A docstring taken apart."""

    promise: str
    fields: dict[str, str]


def docs_of(struct: type[msgspec.Struct]) -> Docs:
    """Take the docstring of a struct apart: `name: text` starts a field, further lines go on with it."""
    known = fields_of(struct)
    promise: list[str] = []
    fields: dict[str, list[str]] = {}
    current = promise
    for line in inspect.cleandoc(struct.__doc__ or "").splitlines():
        found = _FIELD.match(line)
        if found and found[1] in known:
            current = fields.setdefault(found[1], [])
            current.append(found[2])
        elif found and not line.startswith(" ") and fields:
            # A field that reading fills in is no part of the file.
            current = []
        else:
            current.append(line.strip())
    return Docs(
        _joined(promise),
        {name: _of_the_file(_joined(lines), known[name].kind) for name, lines in fields.items()},
    )


def _of_the_file(text: str, kind: Kind) -> str:
    said = f'"{kind.none_word}":' if kind.none_word else "left out:"
    text = text.replace("None:", said)
    return text[0].upper() + text[1:]


def _joined(lines: list[str]) -> str:
    return " ".join(line for line in lines if line)
