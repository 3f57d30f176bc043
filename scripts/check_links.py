"""Check that every link from one of our pages to another, or to a heading, leads somewhere.

Only links inside the repository are checked: whether another site answers today says nothing about our pages.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"""\]\(([^)\s]+)(?:\s+"[^"]*")?\)|(?:src|srcset|href)="([^"]+)\"""")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
ANCHOR = re.compile(r'<a id="([^"]+)">')


def pages() -> list[Path]:
    """Every page of the repository: the root's, docs/, and the READMEs beside the code."""
    folders = ("docs", "examples", "benchmarks")
    return sorted(
        [*ROOT.glob("*.md"), *(page for folder in folders for page in (ROOT / folder).rglob("*.md"))]
    )


def anchors(page: Path) -> set[str]:
    """The names a link may point at, made from headings as Git hosts make them."""
    text = FENCE.sub("", page.read_text())
    names = set(ANCHOR.findall(text))
    for heading in HEADING.findall(text):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        while slug in names:
            slug += "-1"
        names.add(slug)
    return names


def broken_in(page: Path) -> Iterator[str]:
    """Give each link of the page that leads nowhere."""
    text = CODE.sub("", FENCE.sub("", page.read_text()))
    for found in LINK.finditer(text):
        link = found[1] or found[2]
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.is_relative_to(ROOT) or not target.exists():
            yield f"{page.relative_to(ROOT)}: {link} leads nowhere"
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            yield f"{page.relative_to(ROOT)}: {link}: no heading #{anchor}"


def main() -> int:
    checked = pages()
    broken = [each for page in checked for each in broken_in(page)]
    for each in broken:
        print(each, file=sys.stderr)
    print(f"links: {len(checked)} pages, {len(broken)} broken links")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
