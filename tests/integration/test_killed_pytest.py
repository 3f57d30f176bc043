"""A pytest that is killed -9 leaves nothing running: neither what the plugin started, nor what our own tests did."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil

from servers.janitor import VARIABLE
from servers.project import PLAN, TASKS, Project

PLUGIN_TEST = """\
import os, time
import pytest
import shop_tasks
from pathlib import Path

pytestmark = pytest.mark.celeriac("process")

def test_that_hangs(celeriac_bench):
    Path("worker").write_text(str(shop_tasks.where.delay().get(timeout=60)))
    time.sleep(600)
"""

OWN_TEST = """\
import time
from pathlib import Path

def test_that_hangs(redis_server, project):
    shop = project()
    worker = shop.start_celeriac("worker", "web")
    worker.wait_for_log("ready.", within=60)
    Path("worker").write_text(f"{worker.pid} {redis_server.pid}")
    time.sleep(600)
"""


def _start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    environ = {name: value for name, value in os.environ.items() if name != VARIABLE}
    environ["PYTHONPATH"] = os.pathsep.join([str(folder), environ.get("PYTHONPATH", "")])
    with (folder / "pytest.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def _wait_and_kill(
    pytest_process: subprocess.Popen[bytes], folder: Path, eventually: Callable[..., object]
) -> None:
    said = folder / "worker"

    def pids() -> list[int]:
        assert pytest_process.poll() is None, (folder / "pytest.log").read_text()
        return [int(word) for word in said.read_text().split()] if said.exists() else []

    found = eventually(pids, within=90)
    assert isinstance(found, list)
    assert all(_lives(pid) for pid in found)
    pytest_process.send_signal(signal.SIGKILL)
    pytest_process.wait()
    eventually(lambda: not any(_lives(pid) for pid in found), within=60)


def test_the_worker_process_of_the_plugin_ends_with_its_pytest(
    project: Callable[..., Project], eventually: Callable[..., object]
) -> None:
    where = TASKS + ("\nimport os\n\n@shared_task(name='shop.where')\ndef where():\n    return os.getpid()\n")
    shop = project(plan=PLAN, tasks=where)
    shop.write("test_shop.py", PLUGIN_TEST)
    shop.write("pytest.ini", "[pytest]\nceleriac_plan = celeriac.toml\n")
    _wait_and_kill(_start(shop.folder), shop.folder, eventually)


def test_what_our_own_tests_started_ends_with_their_pytest(
    tmp_path: Path, eventually: Callable[..., object], redis_server: object
) -> None:
    tests = Path(__file__).resolve().parents[1]
    (tmp_path / "conftest.py").write_text("from tests_conftest import *\n")
    (tmp_path / "tests_conftest.py").write_text((tests / "conftest.py").read_text())
    (tmp_path / "servers").symlink_to(tests / "servers")
    (tmp_path / "test_hangs.py").write_text(OWN_TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = soak: long\n")
    _wait_and_kill(_start(tmp_path), tmp_path, eventually)


def _lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
