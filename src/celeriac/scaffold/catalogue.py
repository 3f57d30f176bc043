"""Which templates and brokers there are, and what a project of each may be called."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from celeriac import __version__
from celeriac.errors import ScaffoldError
from celeriac.scaffold.answers import Answers

#: template → what it makes
TEMPLATES: dict[str, str] = {
    "etl": "extract, transform, load; an HTTP API; training; reports by the clock",
    "ml": "training, tuning and using a model; every night anew",
    "analytics": "files of events, counted in parts by many workers at once",
    "flask": "a Flask application whose work is done after the answer",
    "fastapi": "a FastAPI application, likewise, with health pages",
    "django": "a Django site whose work is done after the commit; schedules and letters in its admin",
    "showcase": "a Django site with heavy and light work, each with its own queue, workers and retries",
}
#: templates of the family whose projects are called worker-celery-PURPOSE
WORKERS = ("etl", "ml", "analytics")
#: broker → what it is
BROKERS: dict[str, str] = {
    "sqlite": "a file: no server",
    "redis": "Redis",
    "rabbitmq": "RabbitMQ",
    "sqs": "Amazon SQS",
}

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST = 60
_PREFIX = "worker-celery-"


def default_requirement() -> str:
    """Say which Celeriac a new project installs: this version, or a later one."""
    return f"celeriac>={__version__}"


def check_answers(answers: Answers) -> Answers:
    """Give the answers back.

    Raises: ScaffoldError NEW-001 if there is no such template, NEW-002 no such broker, NEW-003 if the name is none,
        NEW-004 if it is not one of the family's.
    """
    if answers.template not in TEMPLATES:
        raise ScaffoldError(
            "NEW-001",
            f'there is no template "{answers.template}"',
            at="--template",
            known=TEMPLATES,
            fix=_write(answers.template, TEMPLATES),
        )
    if answers.broker not in BROKERS:
        raise ScaffoldError(
            "NEW-002",
            f'there is no broker "{answers.broker}"',
            at="--broker",
            known=BROKERS,
            fix=_write(answers.broker, BROKERS),
        )
    name = answers.name
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise ScaffoldError(
            "NEW-003",
            f'"{name}" is no name for a project',
            at="NAME",
            fix=f'use small letters, digits and single dashes, a letter first, up to {_LONGEST}, like "shop-worker"',
        )
    if answers.template in WORKERS and not name.startswith(_PREFIX):
        raise ScaffoldError(
            "NEW-004",
            f'a project of the template "{answers.template}" is called {_PREFIX}PURPOSE, and "{name}" is not',
            at="NAME",
            fix=f'write "{_PREFIX}{_purpose(name)}"',
        )
    return answers


def _write(word: str, known: Iterable[str]) -> str:
    known = list(known)
    close = get_close_matches(word, known, n=1)
    return f'write "{close[0]}"' if close else "choose one of them"


def _purpose(name: str) -> str:
    """What is left of a name when the words of the family are taken out."""
    words = [word for word in name.split("-") if word not in ("worker", "celery")]
    return "-".join(words) or "etl"
