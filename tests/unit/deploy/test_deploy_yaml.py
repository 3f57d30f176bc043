"""YAML with comments: read back alike by readers of both versions, with its notes where they belong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from celeriac.deploy.yaml import Note, Shared, dump, dump_all, plain

TEXTS = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=("Cs", "Cc", "Zl", "Zp")),
    max_size=30,
)
LEAVES = TEXTS | st.integers() | st.booleans() | st.none()
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4)
)


def read(text: str, version: str) -> Any:
    reader = YAML(typ="safe", pure=True)
    reader.version = version
    return reader.load(text)


@pytest.mark.parametrize("version", ["1.1", "1.2"])
@pytest.mark.parametrize(
    "text",
    [
        "yes",
        "no",
        "on",
        "off",
        "y",
        "~",
        "null",
        "1:30",
        "0x1F",
        "017",
        "1e3",
        "2026-11-21",
        ".5",
        "- a",
        "a: b",
        "#",
        "",
        " a ",
    ],
)
def test_a_text_stays_a_text(text, version):
    assert read(dump({"a": text, "b": [text]}), version) == {"a": text, "b": [text]}


@settings(deadline=None, max_examples=60)
@given(tree=st.dictionaries(st.text("abc", min_size=1, max_size=3), TREES, max_size=4))
def test_what_is_written_is_read_back(tree):
    for version in ("1.1", "1.2"):
        assert read(dump(tree), version) == tree


def test_notes_stand_beside_values_and_above_tables():
    written = dump(
        {"a": Note(1, "one"), "b": Note({"c": {"d": Note([1, 2], "two")}}, "three")}, head="top\n\nmore"
    )
    assert written == "# top\n#\n# more\na: 1 # one\n# three\nb:\n  c:\n    d: [1, 2] # two\n"


def test_a_note_in_a_list_of_tables_stands_at_its_depth():
    written = dump({"a": [{"m": 1, "t": Note({"k": 2}, "why")}]})
    assert written == "a:\n  - m: 1\n    # why\n    t:\n      k: 2\n"


def test_a_shared_table_is_written_once_and_named_again():
    table = Shared("env", {"K": "v"})
    assert dump({"x": table, "w": {"z": table}}) == "x: &env\n  K: v\nw:\n  z: *env\n"


def test_a_note_of_a_shared_table_stands_above_it():
    assert dump({"x": Note(Shared("env", {"K": "v"}), "why")}) == "# why\nx: &env\n  K: v\n"


def test_several_documents_are_parted():
    assert dump_all([{"a": 1}, {"b": 2}]) == "a: 1\n---\nb: 2\n"


def test_plain_is_what_a_reader_sees():
    tree = {"a": Note([Note(1, "x")], "y"), "b": Shared("s", {"c": Note("d", "z")})}
    assert plain(tree) == {"a": [1], "b": {"c": "d"}} == read(dump(tree), "1.2")
