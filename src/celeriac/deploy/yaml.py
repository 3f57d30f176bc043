"""YAML with comments: plain lists and dicts, in which a value may carry a note of where it comes from."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString


class Note(msgspec.Struct, frozen=True):
    """A value with a comment: at the end of its line, or above it if it is a table or a list of tables."""

    value: Any
    text: str


class Shared(msgspec.Struct, frozen=True):
    """A table written once under a name, and named wherever it stands again."""

    name: str
    value: dict[str, Any]


def dump(document: dict[str, Any] | list[Any], head: str = "") -> str:
    """Write one document, read alike by YAML 1.1 and 1.2.

    head: a comment above it, without its #.
    """
    return dump_all([document], head)


def dump_all(documents: Sequence[dict[str, Any] | list[Any]], head: str = "") -> str:
    """Write several documents into one text."""
    writer = YAML()
    writer.indent(mapping=2, sequence=4, offset=2)
    writer.width = 10_000
    parts = []
    for document in documents:
        text = io.StringIO()
        writer.dump(_Commented().of(document), text)
        parts.append(text.getvalue())
    comment = "".join(f"# {line}".rstrip() + "\n" for line in head.splitlines())
    return comment + "---\n".join(parts)


def plain(value: Any) -> Any:
    """Give a value without its notes, as a reader of the YAML would see it."""
    if isinstance(value, Note | Shared):
        return plain(value.value)
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


class _Commented:
    """Makes plain values into those that ruamel.yaml writes with comments; one for each document."""

    def __init__(self) -> None:
        self._shared: dict[str, CommentedMap] = {}

    def of(self, value: Any, depth: int = 0) -> Any:
        if isinstance(value, Note):
            return self.of(value.value, depth)
        if isinstance(value, Shared):
            return self._share(value, depth)
        if isinstance(value, dict):
            return self._map(value, depth)
        if isinstance(value, list | tuple):
            return self._list(value, depth)
        return _text(value) if isinstance(value, str) else value

    def _share(self, shared: Shared, depth: int) -> CommentedMap:
        if shared.name not in self._shared:
            table = self._map(shared.value, depth)
            table.yaml_set_anchor(shared.name, always_dump=True)
            self._shared[shared.name] = table
        return self._shared[shared.name]

    def _map(self, values: dict[str, Any], depth: int) -> CommentedMap:
        table = CommentedMap()
        for name, value in values.items():
            key = _text(name) if isinstance(name, str) else name
            table[key] = self.of(value, depth + 1)
            if isinstance(value, Note):
                inside = value.value.value if isinstance(value.value, Shared) else value.value
                if isinstance(inside, dict) or _has_tables(inside) or _lines(inside):
                    table.yaml_set_comment_before_after_key(key, before=value.text, indent=2 * depth)
                else:
                    table.yaml_add_eol_comment(value.text, key, 0)
        return table

    def _list(self, values: list[Any] | tuple[Any, ...], depth: int) -> CommentedSeq:
        sequence = CommentedSeq(self.of(each, depth + 1) for each in values)
        if not _has_tables(values):
            sequence.fa.set_flow_style()
        return sequence


def _has_tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and any(isinstance(plain(each), dict | list) for each in value)


def _lines(value: Any) -> bool:
    return isinstance(value, str) and "\n" in value


def _text(text: str) -> str:
    if _lines(text):
        block: str = LiteralScalarString(text)
        return block
    quoted: str = DoubleQuotedScalarString(text)
    return quoted if _reads_as_something_else(text) else text


@cache
def _reads_as_something_else(text: str) -> bool:
    """Say whether the bare text would be taken for anything but itself by readers of YAML 1.1, as Compose's is."""
    for version in ("1.1", "1.2"):
        reader = YAML(typ="safe", pure=True)
        reader.version = version
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of numbers that 1.1 writes in another way
                if reader.load(f"a: {text}\nb: [{text}, {text}]") != {"a": text, "b": [text, text]}:
                    return True
        except Exception:
            return True  # whatever it makes of it, it is not this text
    return False
