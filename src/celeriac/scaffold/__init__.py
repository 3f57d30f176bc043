"""Projects to start from: `celeriac new NAME --template etl` and what brings them up to a later version.

In flow a name and a few choices (`Answers`), out comes a folder of files rendered from `templates/`, one folder a
template; parts that several share begin with an underscore. Nothing is written before everything is rendered, and never
into a folder that holds something. What was generated is noted in `.copier-answers.yml`, which copier reads too, with
the digest of each file, so that `update` tells what the team has changed since.
"""

from __future__ import annotations

from celeriac.scaffold.answers import ANSWERS_FILE, Answers, read_answers
from celeriac.scaffold.catalogue import BROKERS, TEMPLATES, check_answers, default_requirement
from celeriac.scaffold.generate import generate
from celeriac.scaffold.update import Change, update

__all__ = [
    "ANSWERS_FILE",
    "BROKERS",
    "TEMPLATES",
    "Answers",
    "Change",
    "check_answers",
    "default_requirement",
    "generate",
    "read_answers",
    "update",
]
