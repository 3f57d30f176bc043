"""Writes a new project into an empty folder."""

from __future__ import annotations

from pathlib import Path

from celeriac.errors import ScaffoldError
from celeriac.scaffold.answers import Answers
from celeriac.scaffold.catalogue import check_answers
from celeriac.scaffold.render import render


def generate(folder: Path, answers: Answers) -> list[str]:
    """Make the project and give its files, sorted.

    Raises: ScaffoldError if an answer is none (NEW-001 to 005), if the folder holds something (NEW-006), or cannot be
        written (NEW-007).
    """
    files = render(check_answers(answers))
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ScaffoldError(
                "NEW-006",
                f"{folder} is {'not empty' if folder.is_dir() else 'a file'}: nothing was written",
                fix="name a folder that does not exist yet, or is empty",
            )
        for path, text in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
    except OSError as error:
        raise ScaffoldError(
            "NEW-007",
            f"the project cannot be written: {error.strerror}",
            at=str(error.filename or folder),
            fix="name a folder you may write",
        ) from error
    return sorted(files)
