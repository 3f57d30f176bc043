"""Celery's own integration tests pass on our transports and executors, but for a list of exceptions with reasons."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from celery_suite.expected import surprises
from celery_suite.quick import QUICK
from celery_suite.running import SETTINGS, Outcome, run_suite
from celery_suite.source import NoSource
from servers.redis_server import running_redis

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
