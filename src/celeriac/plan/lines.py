"""Lines: where each key of a TOML text stands, which tomllib does not tell."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import NamedTuple

from celeriac.plan.report import PlanPath

# Possessive and with every ending optional: no text makes it try twice, an unclosed string runs to its end.
_TOKEN = re.compile(
    r'''
    (?P<string>
        """(?:[^"\\]++|\\(?:.|\Z)|"(?!""))*+(?:"{3,5}|\Z)
      | \'\'\'(?:[^']++|'(?!''))*+(?:'{3,5}|\Z)
      | "(?:[^"\\\n]++|\\[^\n]|\\)*+"?
      | '[^'\n]*+'?
    )
  | (?P<comment>\#[^\n]*+)
  | (?P<newline>\n)
  | (?P<mark>[\[\]{}=,.])
  | (?P<word>[^\s"'\#\[\]{}=,.]++)
  ''',
    re.VERBOSE | re.DOTALL,
)


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


class Extent(NamedTuple):
    """How far a text nests: brackets within brackets, and names joined by dots."""

    brackets: int
    dots: int


def extent(text: str) -> Extent:
    """Measure how deep a text nests, whether it is TOML or not."""
    depth = deepest = dots = most_dots = 0
    for found in _TOKEN.finditer(text):
        match found[0]:
            case "[" | "{":
                depth += 1
                deepest = max(deepest, depth)
            case "]" | "}":
                depth -= 1
            case ".":
                dots += 1
                most_dots = max(most_dots, dots)
            case "\n" | "=" | ",":
                dots = 0
    return Extent(deepest, most_dots)


def locate(text: str) -> dict[PlanPath, int]:
    """Give the line (1 first) of each table, key and list item of a TOML text that tomllib has read.

    Of any other text it gives what it can make out, and never fails.
    """
    return _Locator().walk(text)


class _Locator:
    """Walks the tokens of a text and keeps the path of the value it is in."""

    def __init__(self) -> None:
        self._lines: dict[PlanPath, int] = {}
        self._table: PlanPath = ()
        self._counts: dict[PlanPath, int] = {}
        #: open lists and inline tables: (path, position) for a list, (path, None) for a table
        self._open: list[tuple[PlanPath, int | None]] = []

    def walk(self, text: str) -> dict[PlanPath, int]:
        tokens = _tokens(text)
        for token in tokens:
            if token.kind == "newline" and not self._open:
                continue
            if not self._open and token.text == "[":
                self._header(token, tokens)
            elif not self._open or self._in_inline_table(token):
                self._key(token, tokens)
            else:
                self._in_value(token)
        return self._lines

    def _in_inline_table(self, token: _Token) -> bool:
        return self._open[-1][1] is None and token.text not in ("{", "}", ",", "[", "]", "\n")

    def _header(self, opening: _Token, tokens: Iterator[_Token]) -> None:
        parts: list[str] = []
        brackets = 1
        for token in tokens:
            if token.kind == "newline":
                break
            if token.text == "[":
                brackets += 1
            elif token.kind in ("word", "string"):
                parts.append(_key_text(token.text))
        path: PlanPath = ()
        for part in parts:
            path = (*path, part)
            if path in self._counts and len(path) < len(parts):
                path = (*path, self._counts[path] - 1)
        if brackets > 1 and path:
            self._counts[path] = self._counts.get(path, 0) + 1
            path = (*path, self._counts[path] - 1)
        self._table = path
        self._note(path, opening.line)

    def _key(self, first: _Token, tokens: Iterator[_Token]) -> None:
        parts = [_key_text(first.text)] if first.kind in ("word", "string") else []
        for token in tokens:
            if token.text == "=" or token.kind == "newline":
                break
            if token.kind in ("word", "string"):
                parts.append(_key_text(token.text))
        path = (*(self._open[-1][0] if self._open else self._table), *parts)
        self._note(path, first.line)
        value = next(tokens, None)
        if value is not None and value.text in ("[", "{"):
            self._enter(value.text, path)
        elif value is not None and not self._open:
            for token in tokens:
                if token.kind == "newline":
                    break

    def _in_value(self, token: _Token) -> None:
        path, position = self._open[-1]
        if token.text in ("[", "{"):
            inner = path if position is None else (*path, position)
            self._note(inner, token.line)
            self._enter(token.text, inner)
        elif token.text in ("]", "}"):
            self._open.pop()
        elif token.text == "," and position is not None:
            self._open[-1] = (path, position + 1)
        elif position is not None and token.kind in ("word", "string"):
            self._note((*path, position), token.line)

    def _enter(self, bracket: str, path: PlanPath) -> None:
        self._open.append((path, 0 if bracket == "[" else None))

    def _note(self, path: PlanPath, line: int) -> None:
        for length in range(1, len(path) + 1):
            self._lines.setdefault(path[:length], line)


def _tokens(text: str) -> Iterator[_Token]:
    line = 1
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup or ""
        if kind != "comment":
            yield _Token(kind, found[0], line)
        if kind in ("newline", "string"):
            line += found[0].count("\n")


def _key_text(token: str) -> str:
    if token[0] not in "\"'":
        return token
    if "\\" not in token or token[0] == "'":
        return token[1:-1]
    try:
        return str(tomllib.loads(f"key = {token}")["key"])
    except (ValueError, RecursionError):
        return token
