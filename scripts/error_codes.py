"""Write docs/reference/errors.md: every error code of the source, with what it says and the remedy.

    python scripts/error_codes.py            write the page
    python scripts/error_codes.py --check    exit 1 if the page is not current or a code means two things

One code is one meaning: it may be worded in two ways, but only by modules of one folder, which share its errors.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "celeriac"
PAGE = ROOT / "docs" / "reference" / "errors.md"
CODE = re.compile(r"[A-Z]+-[0-9]{3}\Z")

#: a line of the tree at the top of errors.py: the class, its family of codes, what it says
FAMILY = re.compile(r"[├└]── (\w+) +([A-Z]+)-… +(.+)")

HEAD = """\
# Error codes

Every error of Celeriac starts with a code that never changes its meaning, and says what happened, where,
which values would have been accepted, and what to do. Words in braces stand for what the error fills in.

This page is written from the source by `make docs`.
"""


@dataclass(frozen=True)
class Raised:
    """One place in the source that names a code."""

    code: str
    says: str
    fix: str
    place: str


def template(node: ast.expr | None) -> str:
    """Give the text of a string expression, with {name} where a value is filled in."""
    if node is None:
        return ""
    if isinstance(node, ast.Constant):
        return str(node.value) if node.value is not None else ""
    if isinstance(node, ast.JoinedStr):
        parts = [p.value if isinstance(p, ast.Constant) else f"{{{_short(p)}}}" for p in node.values]
        return "".join(str(part) for part in parts)
    if isinstance(node, ast.IfExp):
        return " / ".join(filter(None, (template(node.body), template(node.orelse))))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return template(node.left) + template(node.right)
    return f"{{{_short(node)}}}"


def _short(node: ast.expr) -> str:
    """The most telling name in an expression: `error.strerror` → strerror, `len(names)` → names."""
    inner = node.value if isinstance(node, ast.FormattedValue) else node
    if isinstance(inner, ast.Attribute):
        return inner.attr
    named = [part for part in ast.walk(inner) if isinstance(part, ast.Name | ast.Attribute)]
    names = [part.attr if isinstance(part, ast.Attribute) else part.id for part in named]
    plain = [name for name in names if name.isidentifier() and not hasattr(builtins, name)]
    return (plain or names or ["…"])[-1]


def raised_in(module: Path) -> Iterator[Raised]:
    """Find each call with a code among its arguments: the message follows it."""
    place = module.relative_to(SOURCE).as_posix()
    for node in ast.walk(ast.parse(module.read_text())):
        if not isinstance(node, ast.Call):
            continue
        for at, argument in enumerate(node.args):
            if isinstance(argument, ast.Constant) and CODE.match(str(argument.value)):
                words = {word.arg: word.value for word in node.keywords}
                says = node.args[at + 1] if len(node.args) > at + 1 else words.get("message")
                yield Raised(str(argument.value), template(says), template(words.get("fix")), place)


def families() -> dict[str, tuple[str, str]]:
    """Read the tree of errors: family → (class, what it says), in the tree's order."""
    tree = ast.get_docstring(ast.parse((SOURCE / "errors.py").read_text())) or ""
    return {family: (error, what) for error, family, what in FAMILY.findall(tree)}


def all_raised() -> list[Raised]:
    modules = sorted(SOURCE.rglob("*.py"))
    return sorted((each for module in modules for each in raised_in(module)), key=lambda each: each.code)


def meanings(raised: list[Raised]) -> dict[str, list[Raised]]:
    """Group by code, the same words at several places counting once."""
    grouped: dict[str, dict[str, Raised]] = defaultdict(dict)
    for each in raised:
        grouped[each.code].setdefault(each.says, each)
    return {code: list(by_words.values()) for code, by_words in grouped.items()}


def page(raised: list[Raised]) -> str:
    found = meanings(raised)
    parts = [HEAD]
    for family, (error, what) in families().items():
        codes = [code for code in found if code.startswith(f"{family}-")]
        if codes:
            parts.append(
                f"\n## {family}: {what}\n\nRaised as `{error}`.\n\n| code | says | fix |\n|---|---|---|\n"
            )
            parts += [
                f"| {_anchor(code)}{code} | {_says(found[code])} | {_fixes(found[code])} |\n"
                for code in codes
            ]
    return "".join(parts)


def _anchor(code: str) -> str:
    return f'<a id="{code.lower()}"></a>'


def _says(wordings: list[Raised]) -> str:
    return "<br>".join(_cell(each.says) for each in wordings)


def _fixes(wordings: list[Raised]) -> str:
    return "<br>".join(dict.fromkeys(_cell(each.fix) for each in wordings if each.fix))


def _cell(text: str) -> str:
    return re.sub(r"([<>|*_`])", r"\\\1", " ".join(text.split()))


def problems(raised: list[Raised]) -> list[str]:
    """Say what is wrong with the codes: two meanings, no words, or a family nobody declared."""
    found, known = [], families()
    for code, same in meanings(raised).items():
        if len({each.place.rpartition("/")[0] for each in same}) > 1:
            found.append(f"{code} means several things: " + "; ".join(f'{e.place}: "{e.says}"' for e in same))
        if code.split("-")[0] not in known:
            found.append(f"{code} is of no known family ({', '.join(known)})")
        found += [f"{code} in {each.place} has no words" for each in same if not each.says]
    return found


def main(arguments: list[str]) -> int:
    raised = all_raised()
    wrong = problems(raised)
    if "--check" in arguments:
        if not PAGE.exists() or PAGE.read_text() != page(raised):
            wrong.append(f"{PAGE.relative_to(ROOT)} is not current: run `make docs`")
    else:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(page(raised))
    for each in wrong:
        print(each, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
