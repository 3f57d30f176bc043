"""What a project was generated from: `.copier-answers.yml`, as copier has it, with a digest of each file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import msgspec

from celeriac.errors import ScaffoldError

ANSWERS_FILE = ".copier-answers.yml"

_HEAD = "# What this project was generated from; `celeriac new --update` reads it. Edits here are lost.\n"
_DIGESTS = "_digests"


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """The choices a project is rendered by.

    name: of the project and its folder; template, broker: keys of TEMPLATES and BROKERS.
    celeriac: what is installed: a requirement like "celeriac>=0.1.0", or the path or URL of a checkout.
    """

    name: str
    template: str
    broker: str = "sqlite"
    celeriac: str = "celeriac"


def digest(content: bytes) -> str:
    """Give the id that git has for this content, so that git can be asked for the content by it."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def write_answers(answers: Answers, version: str, digests: Mapping[str, str]) -> str:
    """Word the file: YAML, every text quoted as in JSON.

    digests: file of the project → digest of what was generated.
    """
    said = {"_commit": f"v{version}", "_src_path": "celeriac", **msgspec.structs.asdict(answers)}
    lines = [f"{key}: {json.dumps(value)}\n" for key, value in said.items()]
    lines += [
        f"{_DIGESTS}:\n",
        *(f"  {json.dumps(path)}: {each}\n" for path, each in sorted(digests.items())),
    ]
    return _HEAD + "".join(lines)


def read_answers(folder: Path) -> tuple[Answers, dict[str, str]]:
    """Read a project's answers and digests.

    Raises: ScaffoldError NEW-010 if there are none, or they are not ours.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415 - slow to import, and only an update reads
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    path = folder / ANSWERS_FILE
    try:
        said = YAML(typ="safe").load(path.read_text())
        digests = {str(name): str(each) for name, each in (said.get(_DIGESTS) or {}).items()}
        answers = Answers(**{name: str(said[name]) for name in Answers.__struct_fields__})
    except (OSError, YAMLError, KeyError, AttributeError, TypeError) as error:
        raise ScaffoldError(
            "NEW-010",
            f"this is no project that `celeriac new` has made: {_reason(error)}",
            at=str(path),
            fix="name the folder of one; it holds a .copier-answers.yml",
        ) from error
    return answers, digests


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]} is not said"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "it cannot be read"
