"""The figures of a soak: what each long test did and said, kept as JSON beside the benchmark's results."""

from __future__ import annotations

import json
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
MEASURED_WITH = ("celeriac", "celery", "kombu")


class SoakFigures:
    """A pytest plugin that keeps the outcome, duration, properties and printed lines of every soak test.

    A test tells its figures by printing them, or by pytest's `record_property`.
    """

    def __init__(self, folder: Path = RESULTS) -> None:
        self._folder = folder
        self._tests: list[dict[str, object]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and "soak" in report.keywords:
            self._tests.append(
                {
                    "test": report.nodeid,
                    "outcome": report.outcome,
                    "seconds": round(report.duration, 1),
                    "figures": dict(report.user_properties),
                    "said": report.capstdout.strip().splitlines(),
                }
            )

    def pytest_sessionfinish(self) -> None:
        if not self._tests:
            return
        now = datetime.now(UTC)
        content = {
            "measured_at": now.isoformat(timespec="seconds"),
            "versions": {
                "python": platform.python_version(),
                **{name: version(name) for name in MEASURED_WITH},
            },
            "tests": self._tests,
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{now:%Y-%m-%d-%H%M}-soak.json"
        path.write_text(json.dumps(content, indent=1) + "\n")
