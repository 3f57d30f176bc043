"""Celery's own integration tests pass on our transports and executors, but for a list of exceptions with reasons."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from celery_suite.expected import DIFFERENCES, SKIPS, SKIPS_ON_SQLITE, surprises
from celery_suite.quick import QUICK
from celery_suite.running import LEFT_OUT, SETTINGS, Outcome, run_suite
from celery_suite.source import NoSource
from servers.redis_server import running_redis

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "conformance.md"
QUICK_WITHIN_S = 240
WHOLE_WITHIN_S = 3300


def outcome_of(name: str, folder: Path, select: tuple[str, ...], within_s: float) -> Outcome:
    """Run on a server of its own, since the suite empties it and counts what is in it."""
    (folder / "redis").mkdir()
    try:
        with running_redis(folder / "redis") as redis:
            outcome = run_suite(SETTINGS[name], folder, redis, select, within_s=within_s)
    except (NoSource, FileNotFoundError) as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))
    print(f"{name}: {outcome.counts()}")
    return outcome


@pytest.mark.timeout(2 * QUICK_WITHIN_S + 60)
@pytest.mark.parametrize("name", ["redis-prefork", "redis-processes"])
def test_a_cut_of_celerys_own_tests_passes(name: str, tmp_path: Path) -> None:
    outcome = outcome_of(name, tmp_path, QUICK, QUICK_WITHIN_S)
    assert surprises(name, outcome) == {}
    assert len(outcome.passed) >= len(QUICK)


@pytest.mark.soak
@pytest.mark.timeout(2 * WHOLE_WITHIN_S)
@pytest.mark.parametrize("name", SETTINGS)
def test_all_of_celerys_own_tests_pass_but_for_the_listed_exceptions(name: str, tmp_path: Path) -> None:
    outcome = outcome_of(name, tmp_path, (), WHOLE_WITHIN_S)
    assert surprises(name, outcome) == {}
    assert outcome.passed


def test_the_page_tells_every_exception_with_its_reason() -> None:
    page = PAGE.read_text()
    reasons = [each.reason for each in DIFFERENCES] + [
        *SKIPS.values(),
        *SKIPS_ON_SQLITE.values(),
        *LEFT_OUT.values(),
    ]
    names = [test.partition("::")[2].removesuffix("[[]*") for each in DIFFERENCES for test in each.tests]
    said = [*reasons, *SKIPS, *SKIPS_ON_SQLITE, *LEFT_OUT, *(f"`{name}`" for name in names)]
    assert [each for each in said if each not in page] == []


def test_what_is_not_listed_is_a_surprise_and_what_is_listed_must_happen() -> None:
    listed = "test_inspect.py::test_Inspect::test_scheduled"
    unknown = Outcome(failed={"test_tasks.py::test_x": "bang"}, skipped={"test_tasks.py::test_y": "why not"})
    assert set(surprises("redis-prefork", unknown)) == {"test_tasks.py::test_x", "test_tasks.py::test_y"}
    assert surprises("redis-prefork", Outcome(failed={listed: "as ever"})) == {}
    assert surprises("stock-redis", Outcome(failed={listed: "as never"})) != {}
    assert listed in surprises("redis-prefork", Outcome(passed={listed}))
