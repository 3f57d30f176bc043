"""The reference page of the doctor, made from the docstrings of its rules.

python -m celeriac.doctor.reference            write docs/reference/doctor.md
python -m celeriac.doctor.reference FOLDER     write it there
"""

from __future__ import annotations

import sys
from pathlib import Path

from celeriac.doctor.patient import WITHIN_S
from celeriac.doctor.rules import MODULES

FOLDER = Path("docs/reference")

HEAD = """\
# What the doctor looks for

`celeriac doctor` judges these rules over the system of a plan, whether it runs or not. See
[Find out what is wrong](../how-to/troubleshoot.md). This page is written from the source by `make docs`.

*Trouble*: tasks wait, fail or get lost now, or will without any further change. *Advice*: worth knowing; it does not
fail the command. A rule whose look gave nothing within {within:g} s is not judged, and that is said with its reason:
no rule guesses.

| code | rule | level | finds |
|---|---|---|---|
"""

JSON = """
## As JSON

`celeriac doctor --json` prints one document. Keys are added in later versions, never renamed.

| key | is |
|---|---|
| `ok` | whether there is no trouble; the exit code is 0 then, else 1 |
| `findings` | troubles first, then advice, each in the order of the rules |
| `findings[].code`, `.rule` | as above; of the rule `plan`, the code is that of the [problem](errors.md) |
| `findings[].level` | `trouble` or `advice` |
| `findings[].at` | the place, like `queue emails` |
| `findings[].message`, `.fix` | a sentence each |
| `findings[].facts` | name → figure or text it rests on; which ones is the rule's, and times are seconds, sizes bytes |
| `unjudged` | rules that could not be judged: `code`, `rule`, the `look` they wanted, and `why` it gave nothing |
| `judged` | how many rules were judged |
| `took_s` | seconds all looks took together; importing the app comes before |
"""


def page() -> str:
    """Write the page."""
    told = [(module.RULE, *_words(module.__doc__ or "")) for module in MODULES]
    rows = [
        f"| [{rule.code}](#{rule.name}) | `{rule.name}` | {rule.level} | {first} |\n"
        for rule, first, _ in told
    ]
    parts = [
        f"\n## {rule.name}\n\n*{rule.code}, {rule.level}.* {first}\n\n{rest}\n" for rule, first, rest in told
    ]
    return HEAD.format(within=WITHIN_S) + "".join(rows) + "".join(parts) + JSON


def _words(docstring: str) -> tuple[str, str]:
    first, _, rest = docstring.strip().partition("\n\n")
    return " ".join(first.split()), rest.strip()


def main(arguments: list[str]) -> None:
    """Write the page into the folder in `arguments`, else where it belongs in the repository."""
    folder = Path(arguments[0]) if arguments else FOLDER
    (folder / "doctor.md").write_text(page())


if __name__ == "__main__":
    main(sys.argv[1:])
