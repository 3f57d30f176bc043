"""Where the keys of a TOML text stand."""

from __future__ import annotations

import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st

from celeriac.plan.lines import extent, locate

TEXT = '''\
# a comment with [brackets] and = "quotes"
top = 1
[a.b]          # [not.this]
x = "# no comment \\" ["
"quoted.key" = [1,
  2, [3,
  4]]
y = { z = 1, "w" = { v = 2 } }
long = """
[no.table]
k = 1""""
raw = \'\'\'
it's ''x'' [c]\'\'\'
p . q = 5
[[list]]
n = 1
[[list]]
n = 2
[list.sub]
m = 3
"esc\\u0061ped" = 1
'''


def test_each_key_table_and_item_has_its_line():
    lines = locate(TEXT)
    expected = {
        ("top",): 2,
        ("a",): 3,
        ("a", "b"): 3,
        ("a", "b", "x"): 4,
        ("a", "b", "quoted.key"): 5,
        ("a", "b", "quoted.key", 0): 5,
        ("a", "b", "quoted.key", 1): 6,
        ("a", "b", "quoted.key", 2): 6,
        ("a", "b", "quoted.key", 2, 1): 7,
        ("a", "b", "y", "z"): 8,
        ("a", "b", "y", "w", "v"): 8,
        ("a", "b", "long"): 9,
        ("a", "b", "raw"): 12,
        ("a", "b", "p", "q"): 14,
        ("list", 0): 15,
        ("list", 0, "n"): 16,
        ("list", 1, "n"): 18,
        ("list", 1, "sub", "m"): 20,
        ("list", 1, "sub", "escaped"): 21,
    }
    assert {path: lines.get(path) for path in expected} == expected
    assert not any("table" in path or "c" in path for path in lines)


def paths_of(value, path=()):
    """Every key and list item of a parsed document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield (*path, key)
        yield from paths_of(each, (*path, key))


def toml(value) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[\n" + ",\n".join(map(toml, value)) + "]"
    return quoted(value) if isinstance(value, str) else str(value).lower()


def quoted(text: str) -> str:
    return (
        '"'
        + "".join(f"\\U{ord(char):08x}" if char in '"\\' or not char.isprintable() else char for char in text)
        + '"'
    )


KEYS = st.text(st.characters(exclude_categories=("Cs",)), max_size=6)
VALUES = st.recursive(
    st.integers(-9, 9) | st.booleans() | st.floats(0, 9, allow_nan=False) | KEYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=4), max_size=4))
def test_every_key_that_tomllib_reads_is_found_on_the_line_it_was_written(document):
    written: list[str] = []
    starts = {}
    for table, keys in document.items():
        starts[(table,)] = len(written) + 1
        written.append(f"[{quoted(table)}]")
        for key, value in keys.items():
            starts[(table, key)] = len(written) + 1
            written += f"{quoted(key)} = {toml(value)}".split("\n")
    text = "\n".join(written)
    lines = locate(text)
    assert set(paths_of(tomllib.loads(text))) <= set(lines)
    assert {path: lines[path] for path in starts} == starts


@given(st.text("[]{}=,.\"'\\#\n ab1", max_size=40))
def test_any_text_is_located_and_measured_without_failing(text):
    assert all(1 <= line <= text.count("\n") + 1 for line in locate(text).values())
    assert min(extent(text)) >= 0


def test_brackets_in_strings_and_comments_do_not_nest():
    assert extent('a = "[[[[" # {{{{\nb = \'[[\'\nc = """[[["""\n') == (0, 0)
    assert extent("a.b.c = [[{d = [1.5]}]]") == (4, 2)
