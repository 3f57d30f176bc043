"""Turns a template into the files of a project, in memory."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path, PurePosixPath

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from celeriac import __version__
from celeriac.scaffold.answers import ANSWERS_FILE, Answers, digest, write_answers

TEMPLATES_FOLDER = Path(__file__).with_name("templates")
_SUFFIX = ".jinja"


def render(answers: Answers) -> dict[str, str]:
    """Give the text of every file by its path in the project, `.copier-answers.yml` last."""
    context = msgspec.structs.asdict(answers)
    environment = _environment()
    files = {}
    root = TEMPLATES_FOLDER / answers.template
    for path in sorted(root.rglob(f"*{_SUFFIX}")):
        inside = PurePosixPath(path.relative_to(root)).as_posix()
        if inside.startswith("{{ _copier_conf"):
            continue  # where copier puts its answers; ours have digests too
        text = environment.get_template(f"{answers.template}/{inside}").render(context)
        files[inside.removesuffix(_SUFFIX)] = text
    digests = {path: digest(text.encode()) for path, text in files.items()}
    return {**files, ANSWERS_FILE: write_answers(answers, __version__, digests)}


@lru_cache(maxsize=1)
def _environment() -> Environment:
    # The same as in copier.yml: both must render the same.
    return Environment(  # noqa: S701 (no HTML comes out)
        loader=FileSystemLoader(TEMPLATES_FOLDER),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
