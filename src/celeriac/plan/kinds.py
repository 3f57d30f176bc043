"""Kinds: the types of the plan's fields, worked out once for reading, checking, the schema and the reference."""

from __future__ import annotations

import types
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from celeriac.plan.marks import Bytes, Form, NoneAs, OneOrMore, Range, Secret
from celeriac.plan.model import Plan

Base = Literal["text", "number", "truth", "duration", "size", "choice", "list", "map", "table", "any"]

#: fields of Plan that are no part of the declaration: reading fills them in
_FILLED_IN = frozenset(
    {"brokers", "because", "variables", "beside_broker", "folder", "source", "environments", "environment"}
)

_BASES: dict[Any, Base] = {
    str: "text",
    int: "number",
    bool: "truth",
    timedelta: "duration",
    Any: "any",
    Path: "any",
}


_PYTHON_WORDS = {
    "text": "a str",
    "truth": "a bool",
    "duration": "a timedelta",
    "size": "a number of bytes",
    "map": "a dict",
    "table": "a struct",
}


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What a field takes.

    low, high: its range; seconds for durations, bytes for sizes.
    optional: it may be left out, and is None then.
    none_word: the word that writes None in a file.
    secret: it is only taken from a variable.
    form: what a text looks like.
    several: a list of such values may be written instead of one.
    item: the kind of a list's or a map's values.
    struct: the type of a table; of another base: the table that may be written instead.
    """

    base: Base
    low: float | None = None
    high: float | None = None
    optional: bool = False
    none_word: str | None = None
    secret: bool = False
    form: Form | None = None
    several: bool = False
    choices: tuple[str, ...] = ()
    item: Kind | None = None
    struct: type[msgspec.Struct] | None = None


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a table: its kind, and what it is when left out."""

    name: str
    kind: Kind
    required: bool
    default: Any = None


@cache
def fields_of(struct: type[msgspec.Struct]) -> dict[str, Field]:
    """List the fields of a table of the plan, by name."""
    hints = get_type_hints(struct, include_extras=True)
    fields = {}
    for each in msgspec.structs.fields(struct):
        if struct is Plan and each.name in _FILLED_IN:
            continue
        default: Any = each.default
        if each.default_factory is not msgspec.NODEFAULT:
            factory: Callable[[], Any] = each.default_factory
            default = factory()
        fields[each.name] = Field(
            name=each.name,
            kind=kind_of(hints[each.name]),
            required=default is msgspec.NODEFAULT,
            default=None if default is msgspec.NODEFAULT else default,
        )
    return fields


def kind_of(hint: Any) -> Kind:  # noqa: PLR0911 - one line for each form of type
    """Work out the kind of a type hint.

    Raises: TypeError for a hint that no field of a plan has.
    """
    origin = get_origin(hint)
    if origin is Annotated:
        inner, *marks = get_args(hint)
        return _marked(kind_of(inner), marks)
    if origin in (Union, types.UnionType):
        first, *others = (each for each in get_args(hint) if each is not type(None))
        kind = msgspec.structs.replace(kind_of(first), optional=type(None) in get_args(hint))
        return msgspec.structs.replace(kind, struct=others[0]) if others else kind
    if origin is Literal:
        return Kind(base="choice", choices=get_args(hint))
    if origin is tuple:
        return Kind(base="list", item=kind_of(get_args(hint)[0]))
    if origin is dict:
        return Kind(base="map", item=kind_of(get_args(hint)[1]))
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return Kind(base="table", struct=hint)
    if hint in _BASES:
        return Kind(base=_BASES[hint])
    raise TypeError(f"no field of a plan has the type {hint!r}")


def _marked(kind: Kind, marks: list[Any]) -> Kind:
    for mark in marks:
        if isinstance(mark, Range):
            kind = msgspec.structs.replace(kind, low=mark.low, high=mark.high)
        elif isinstance(mark, NoneAs):
            kind = msgspec.structs.replace(kind, none_word=mark.word)
        elif isinstance(mark, Secret):
            kind = msgspec.structs.replace(kind, secret=True)
        elif isinstance(mark, Form):
            kind = msgspec.structs.replace(kind, form=mark)
        elif isinstance(mark, OneOrMore):
            kind = msgspec.structs.replace(kind, several=True)
        elif isinstance(mark, Bytes):
            kind = msgspec.structs.replace(kind, base="size")
    return kind


def described(kind: Kind, *, typed: bool = False) -> str:
    """Say in words what a kind takes: in a file, or (`typed`) in Python."""
    words = {
        "text": 'a variable like "${NAME:-}"' if kind.secret and not typed else "text in quotes",
        "number": "a whole number",
        "truth": "true or false",
        "duration": 'a duration like "30s"',
        "size": 'a size like "512MiB"',
        "choice": "one of " + ", ".join(f'"{choice}"' for choice in kind.choices),
        "map": "a table",
        "table": "a table",
        "any": "any value",
    }
    if kind.form is not None:
        return kind.form.words
    if typed and kind.base in _PYTHON_WORDS:
        return kind.struct.__name__ if kind.struct else _PYTHON_WORDS[kind.base]
    if kind.base == "list":
        item = kind.item or Kind(base="any")
        return "a list of texts in quotes" if item.base == "text" else "a list"
    said = words[kind.base]
    if kind.base == "number" and kind.low is not None:
        said = f"{said} from {kind.low:.0f}"
        if kind.high is not None:
            said = f"{said} to {kind.high:.0f}"
    if kind.none_word:
        said = f'{said}, or "{kind.none_word}"'
    if kind.base == "number" and kind.struct:
        said = f"{said}, or {f'a {kind.struct.__name__}' if typed else 'a table'}"
    if kind.several and not typed:
        said = f"{said}, or a list of them"
    return said
