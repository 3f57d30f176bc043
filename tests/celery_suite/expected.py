"""What Celery's own tests are expected to skip or to fail on each setting, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from celery_suite.running import Outcome

#: what a test says when it skips itself, its beginning -> why that is right here
SKIPS: Mapping[str, str] = {
    "Requires memcached cache result backend": "a backend that we do not replace",
    "Redis broker does not duplicate the task": "about RabbitMQ",
    "async_results aren't performed in async way": "about a race that the test cannot see where nothing polls",
    "Broken test": "Celery's own mark",
    "Randomly fails": "Celery's own mark",
}
#: likewise, where results are in a file
SKIPS_ON_SQLITE: Mapping[str, str] = {
    "Requires redis": "written for a Redis result backend: it asks the URL, not what the backend can do",
    "Requires Redis": "likewise",
}


@dataclass(frozen=True)
class Difference:
    """Tests that fail, and why they are right to.

    tests: ids or patterns of ids. settings: names or patterns of names.
    is_steady: whether they always fail; else they may pass.
    """

    tests: tuple[str, ...]
    settings: tuple[str, ...]
    reason: str
    is_steady: bool = True

    def names(self, setting: str, test: str) -> bool:
        is_here = any(fnmatchcase(setting, each) for each in self.settings)
        # A parameter in brackets is no set of characters.
        return is_here and any(fnmatchcase(test, each.replace("[", "[[]")) for each in self.tests)


OURS = ("redis-*", "sqlite-*")
ON_REDIS = ("redis-*",)

DIFFERENCES: tuple[Difference, ...] = ()


def surprises(setting: str, outcome: Outcome) -> dict[str, str]:
    """Give what became of tests otherwise than expected: by id, with what was said."""
    told = {name: f"failed: {said}" for name, said in outcome.failed.items() if not _expected(setting, name)}
    for name, said in outcome.skipped.items():
        known = {**SKIPS, **(SKIPS_ON_SQLITE if setting.startswith("sqlite") else {})}
        if not any(said.startswith(each) for each in known):
            told[name] = f"skipped: {said}"
    for name in outcome.passed - set(outcome.wavering):
        if any(each.is_steady and each.names(setting, name) for each in DIFFERENCES):
            told[name] = "passed, and is listed as a difference: take it off the list"
    return told


def _expected(setting: str, test: str) -> bool:
    return any(each.names(setting, test) for each in DIFFERENCES)
