"""Running Celery's own integration tests in a process of their own, and reading what became of each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from celery_suite.source import unpack_tests
from servers.redis_server import RedisServer

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1] / "src"
OUTCOMES = "outcomes.jsonl"
#: modules that cannot be imported here, each with the reason
LEFT_OUT = {
    "test_backend.py": "a backend in Azure, whose library is not installed",
    "test_security.py": "one test that Celery expects to fail, with a library that is not installed",
}
#: many tests use the session's worker without asking for it, since an earlier one has started it
STARTS_THE_WORKER = "test_inspect.py::test_Inspect::test_ping"


@dataclass(frozen=True)
class Setting:
    """One way of running them.

    name: how it is called in the tables.
    transport: "redis" or "sqlite", for the broker and the results alike.
    is_ours: whether the apps are adopted by a plan; False is stock Celery.
    """

    name: str
    transport: str
    executor: str
    is_ours: bool = True


SETTINGS = {
    each.name: each
    for each in (
        Setting("redis-prefork", "redis", "prefork"),
        Setting("redis-processes", "redis", "processes"),
        Setting("redis-asyncio", "redis", "asyncio"),
        Setting("sqlite-prefork", "sqlite", "prefork"),
        Setting("stock-redis", "redis", "prefork", is_ours=False),
    )
}


@dataclass
class Outcome:
    """What became of the tests, by id below t/integration: "test_canvas.py::test_chord::test_simple_chord".

    skipped, failed: with what pytest said.
    expected_to_fail: those that Celery marks so (xfail), whether they did or not.
    wavering: failed once, and passed when run again.
    """

    passed: set[str] = field(default_factory=set)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    expected_to_fail: set[str] = field(default_factory=set)
    wavering: dict[str, str] = field(default_factory=dict)

    def counts(self) -> str:
        """Say them in one line: "388 passed, 4 skipped, 5 failed"."""
        parts = {
            "passed": len(self.passed),
            "skipped": len(self.skipped),
            "failed": len(self.failed),
            "expected by Celery to fail": len(self.expected_to_fail),
            "passed at the second try": len(self.wavering),
        }
        return ", ".join(f"{number} {name}" for name, number in parts.items() if number)


def run_suite(
    setting: Setting,
    folder: Path,
    redis: RedisServer,
    select: tuple[str, ...] = (),
    *,
    within_s: float,
    rounds: int = 2,
) -> Outcome:
    """Run the selected tests (ids below t/integration; all, if there are none) and say what became of them.

    redis: is emptied; the tests use it by themselves, whatever the broker is.
    rounds: how often a test may be run before its failure counts; Celery's own run gives most of them six.
    Raises: NoSource; subprocess.TimeoutExpired; AssertionError if pytest could not run them.
    """
    unpack_tests(folder)
    outcome = _one_round(setting, folder, redis, select, within_s)
    for _ in range(rounds - 1):
        if not outcome.failed:
            break
        again = _one_round(setting, folder, redis, (STARTS_THE_WORKER, *outcome.failed), within_s)
        outcome.wavering |= {name: said for name, said in outcome.failed.items() if name in again.passed}
        outcome.passed |= again.passed
        outcome.failed = again.failed
    return outcome


def _one_round(
    setting: Setting, folder: Path, redis: RedisServer, select: tuple[str, ...], within_s: float
) -> Outcome:
    redis.flush()
    # Each round has its own files, so that nothing of the last one waits in them.
    data = folder / f"data-{len(list(folder.glob('data-*')))}"
    data.mkdir()
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "--rootdir", "."]
    command += ["-p", "celery_suite.under_celeriac", "-p", "no:cacheprovider", "-p", "no:celeriac"]
    command += ["-q", "--tb=native", *(f"--ignore=t/integration/{name}" for name in LEFT_OUT)]
    command += [f"t/integration/{each}" for each in select] or ["t/integration"]
    log = data / "suite.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=_environ(setting, data, redis),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
        try:
            code = process.wait(within_s)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    # 0: all passed; 1: some did not; else pytest itself, or a wrong selection.
    assert code in (0, 1), f"pytest ended with {code}:\n{log.read_text(errors='replace')[-4000:]}"
    return read_outcomes((data / OUTCOMES).read_text())


def _environ(setting: Setting, data: Path, redis: RedisServer) -> dict[str, str]:
    sqlite = (f"sqlite:///{data}/broker.db", f"sqlite:///{data}/results.db")
    broker, results = sqlite if setting.transport == "sqlite" else (redis.url, redis.url)
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("CELER", "PYTEST_"))},
        "PYTHONPATH": os.pathsep.join([str(SOURCE), str(HERE.parent)]),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "TEST_BROKER": broker,
        "TEST_BACKEND": results,
        "REDIS_HOST": "127.0.0.1",
        "REDIS_PORT": str(redis.port),
        # As Celery's own run has it; tests read the worker's log.
        "WORKER_LOGLEVEL": "INFO",
        "CELERIAC_SUITE_EXECUTOR": setting.executor,
        "CELERIAC_SUITE_PLAN": "1" if setting.is_ours else "0",
        "CELERIAC_SUITE_OUTCOMES": str(data / OUTCOMES),
    }


def read_outcomes(text: str) -> Outcome:
    """Put together the phases of each test: one that failed in any of them has failed."""
    outcome = Outcome()
    for line in map(json.loads, text.splitlines()):
        name, said = line["test"], line["said"]
        if line["expected_to_fail"]:
            outcome.expected_to_fail.add(name)
        elif line["outcome"] == "failed":
            outcome.failed[name] = f"{outcome.failed.get(name, '')}{said}\n"
        elif line["outcome"] == "skipped":
            outcome.skipped[name] = said
        elif line["when"] == "call":
            outcome.passed.add(name)
    outcome.passed -= {*outcome.failed, *outcome.expected_to_fail, *outcome.skipped}
    return outcome
