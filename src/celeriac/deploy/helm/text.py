"""Templates made from objects: a value is replaced by a mark, and in the written YAML the mark by its expression."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from celeriac.deploy.yaml import Note, dump_all

#: gives the lines of a block for the number of blanks its key is indented by
Block = Callable[[int], str]


class Marks:
    """Stands in for expressions while objects are written; one for each template."""

    def __init__(self) -> None:
        self._expressions: list[str] = []
        self._blocks: list[Block] = []

    def value(self, expression: str) -> str:
        """Stand in for a value, like `.Values.image | quote`."""
        self._expressions.append(expression)
        return f"XVALUE{len(self._expressions) - 1}X"

    def block(self, block: Block) -> str:
        """Stand in for the value of a key; the key's whole line becomes what `block` gives."""
        self._blocks.append(block)
        return f"XBLOCK{len(self._blocks) - 1}X"

    def written(self, objects: list[dict[str, Any]]) -> str:
        """Write objects as YAML with their expressions."""
        # What the plan itself says in braces is no expression of ours.
        text = dump_all(objects).replace("{{", '{{ "{{" }}')
        text = re.sub(
            r"^( *)[^\n]*: XBLOCK(\d+)X *(#[^\n]*)?$",
            lambda found: self._blocks[int(found[2])](len(found[1])),
            text,
            flags=re.MULTILINE,
        )
        return re.sub(r"XVALUE(\d+)X", lambda found: f"{{{{ {self._expressions[int(found[1])]} }}}}", text)


def where(test: str, key: str, expression: str) -> Block:
    """Write a key only where `test` holds, with the value of one line."""

    def block(indent: int) -> str:
        return f"{{{{- if {test} }}}}\n{' ' * indent}{key}: {{{{ {expression} }}}}\n{{{{- end }}}}"

    return block


def given(key: str, expression: str) -> Block:
    """Write a key with a table or list, where there is one."""

    def block(indent: int) -> str:
        inside = f"{{{{ toYaml . | indent {indent + 2} }}}}"
        return f"{{{{- with {expression} }}}}\n{' ' * indent}{key}:\n{inside}\n{{{{- end }}}}"

    return block


def included(key: str, name: str, context: str) -> Block:
    """Write a key with what the partial `name` gives."""

    def block(indent: int) -> str:
        return f'{" " * indent}{key}:\n{{{{ include "{name}" {context} | trim | indent {indent + 2} }}}}'

    return block


def replaced(value: Any, replace: Callable[[str, Any], Any]) -> Any:
    """Give a copy of an object in which `replace`, told each key and its value, has put something else.

    replace: gives the value itself where it has nothing to put.
    """
    if isinstance(value, Note):
        inside = replaced(value.value, replace)
        return Note(inside, value.text)
    if isinstance(value, list | tuple):
        return [replaced(each, replace) for each in value]
    if not isinstance(value, dict):
        return value
    out = {}
    for key, each in value.items():
        new = replace(key, each)
        out[key] = replaced(each, replace) if new is each else new
    return out
