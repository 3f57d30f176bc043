"""Brings a generated project up to the templates of this version, and keeps what the team has changed.

A file the team has not touched is replaced. One that it has changed is merged with the new one, where git still has
what was generated (it has if that was ever committed); where git has not, or both changed the same lines, the file
stays and the new one is put beside it as NAME.new. A file the team has deleted stays deleted.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Literal, NamedTuple

from celeriac.scaffold.answers import ANSWERS_FILE, digest, read_answers
from celeriac.scaffold.catalogue import check_answers
from celeriac.scaffold.render import render

#: what became of a file; "beside": the new one is NAME.new
Outcome = Literal["added", "replaced", "merged", "beside", "left"]


class Change(NamedTuple):
    """One file of the project, and what became of it."""

    path: str
    outcome: Outcome


def update(folder: Path) -> list[Change]:
    """Update the project in `folder`; give what was changed, or could not be.

    Raises: ScaffoldError NEW-010 if it is none, or its answers are not known any more.
    """
    answers, before = read_answers(folder)
    files = render(check_answers(answers))
    changes = []
    for path, text in files.items():
        outcome = _place(folder, path, text.encode(), before.get(path))
        if outcome is not None and path != ANSWERS_FILE:
            changes.append(Change(path, outcome))
    # What is no longer generated may be in use: it is the team's now.
    changes += [
        Change(path, "left") for path in sorted(before.keys() - files.keys()) if (folder / path).exists()
    ]
    return changes


def _place(folder: Path, path: str, new: bytes, generated: str | None) -> Outcome | None:
    """Put one file in its place.

    generated: digest of what the version before had generated; None: it did not have the file.
    """
    target = folder / path
    if path == ANSWERS_FILE:
        target.write_bytes(new)
        return "replaced"
    if not target.exists():
        return None if generated else _write(target, new, "added")
    present = target.read_bytes()
    if present == new or digest(new) == generated:
        return None
    if digest(present) == generated:
        return _write(target, new, "replaced")
    merged = _merge(folder, present, new, generated) if generated else None
    if merged is not None:
        return _write(target, merged, "merged") if merged != present else None
    return _write(target.with_name(f"{target.name}.new"), new, "beside")


def _write(target: Path, content: bytes, outcome: Outcome) -> Outcome:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return outcome


def _merge(folder: Path, present: bytes, new: bytes, generated: str) -> bytes | None:
    """Merge both with what they come from; None if git does not know that, or they contradict each other."""
    base = _git(folder, "cat-file", "blob", generated)
    if base is None:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        names = []
        for name, content in (("present", present), ("base", base), ("new", new)):
            file = Path(scratch, name)
            file.write_bytes(content)
            names.append(str(file))
        return _git(folder, "merge-file", "-p", *names)


def _git(folder: Path, *arguments: str) -> bytes | None:
    """Run git and give what it prints; None if it fails, or is not installed."""
    try:
        ended = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=False)  # noqa: S603, S607
    except FileNotFoundError:
        return None
    return ended.stdout if ended.returncode == 0 else None
