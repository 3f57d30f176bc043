"""A pytest plugin that puts Celeriac under Celery's own integration tests; they are not changed.

CELERIAC_SUITE_EXECUTOR names the executor of the session's worker. CELERIAC_SUITE_PLAN is "1" where the apps of the
tests are adopted by a plan, and anything else where stock Celery is run. Outcomes go to the file that
CELERIAC_SUITE_OUTCOMES names, one line for each phase of each test.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

#: the two apps of Celery's own fixtures: the worker's, and each test's
APPS = ("celery_session_app", "celery_app")
#: how long one test may take; the slowest wait five minutes for what must not come
TEST_WITHIN_S = 500


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # Before their own marks, of which the nearest counts.
        item.add_marker(pytest.mark.timeout(TEST_WITHIN_S), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any, request: Any) -> Generator[None, Any, Any]:
    made = yield
    if fixturedef.argname in APPS and os.environ["CELERIAC_SUITE_PLAN"] == "1":
        _adopt(made)
    if fixturedef.argname == "celery_worker_pool":
        # Their conftest names prefork, and is nearer to the tests than any fixture of a plugin.
        made = _pool(os.environ["CELERIAC_SUITE_EXECUTOR"])
        fixturedef.cached_result = (made, *fixturedef.cached_result[1:])
    return made


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    line = {
        "test": report.nodeid.removeprefix("t/integration/"),
        "when": report.when,
        "outcome": report.outcome,
        "said": _said(report),
        "expected_to_fail": hasattr(report, "wasxfail"),
        "seconds": round(report.duration, 2),
    }
    with Path(os.environ["CELERIAC_SUITE_OUTCOMES"]).open("a") as file:
        file.write(json.dumps(line) + "\n")


def _said(report: pytest.TestReport) -> str:
    if report.passed:
        return ""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return report.longreprtext


def _pool(executor: str) -> str:
    from celeriac.plan.arguments import POOLS

    return POOLS.get(executor, executor)


def _adopt(app: Any) -> None:
    from celeriac import adopt
    from celeriac.plan import Plan, Queue

    adopt(
        app,
        Plan(
            name="suite",
            broker=os.environ["TEST_BROKER"],
            results=os.environ["TEST_BACKEND"],
            queues={"celery": Queue()},
            folder=Path.cwd(),
        ),
    )
