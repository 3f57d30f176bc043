"""Lines: where each key of a TOML text stands, which tomllib does not tell."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
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


@dataclass(slots=True)
class _Bracket:
    """An open list or inline table: the path of what it holds next."""

    path: PlanPath
    is_list: bool
    position: int = 0
    awaits_key: bool = True


class _Locator:
    """Walks the tokens of a text and keeps the path of the value it is in."""

    def __init__(self) -> None:
        self._lines: dict[PlanPath, int] = {}
        self._table: PlanPath = ()
        self._counts: dict[PlanPath, int] = {}
        self._open: list[_Bracket] = []

    def walk(self, text: str) -> dict[PlanPath, int]:
        tokens = _tokens(text)
        for token in tokens:
            if self._open:
                self._inside(self._open[-1], token, tokens)
            elif token.text == "[":
                self._header(token, tokens)
            elif token.kind != "newline":
                self._key(self._table, token, tokens)
        return self._lines

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

    def _key(self, table: PlanPath, first: _Token, tokens: Iterator[_Token]) -> None:
        parts = [_key_text(first.text)] if first.kind in ("word", "string") else []
        for token in tokens:
            if token.text == "=" or token.kind == "newline":
                break
            if token.kind in ("word", "string"):
                parts.append(_key_text(token.text))
        path = (*table, *parts)
        self._note(path, first.line)
        value = next(tokens, None)
        if value is not None and value.text in ("[", "{"):
            self._open.append(_Bracket(path, is_list=value.text == "["))
        elif value is not None and not self._open and value.kind != "newline":
            for token in tokens:
                if token.kind == "newline":
                    break

    def _inside(self, bracket: _Bracket, token: _Token, tokens: Iterator[_Token]) -> None:
        if token.text in ("]", "}"):
            self._open.pop()
        elif token.text == ",":
            bracket.position += 1
            bracket.awaits_key = True
        elif not bracket.is_list:
            if bracket.awaits_key and token.kind in ("word", "string"):
                bracket.awaits_key = False
                self._key(bracket.path, token, tokens)
        elif token.kind != "newline":
            path = (*bracket.path, bracket.position)
            self._note(path, token.line)
            if token.text in ("[", "{"):
                self._open.append(_Bracket(path, is_list=token.text == "["))

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
