"""A Celeriac project in a folder of its own, with real processes that never outlive their test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from servers.waiting import eventually

SOURCE = Path(__file__).resolve().parents[2] / "src"
#: Set in every process of a project, and inherited by whatever it starts: how leftovers are found.
MARK = "CELERIAC_TEST_PROJECT"
#: Where `celeriac` and `celery` of this environment are.
PROGRAMS = Path(sys.executable).parent
#: The settings of a shell, or of the make that runs the tests (`make test ARGS=…`), must not reach into a test.
NOT_INHERITED = (
    *("CELERY_", "CELERIAC_", "BROKER_URL", "RESULT_URL", "STATE_URL", "MAX_TASKS_PER_CHILD"),
    *("MAKE", "MFLAGS", "ARGS", "JOBS"),
)
STOPS_WITHIN_S = 60.0

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]

[queues.default]

[pools.web]
queues = ["default"]
executor = "solo"
"""

TASKS = """\
from celery import shared_task

@shared_task(name="shop.add")
def add(x, y):
    return x + y

@shared_task(name="shop.fail")
def fail(message="no"):
    raise ValueError(message)
"""


class Running:
    """One process tree of a project, with everything it printed."""

    def __init__(self, command: Sequence[str], project: Project, log: Path) -> None:
        self.log_path = log
        self.project = project
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                command,
                cwd=project.folder,
                env=project.environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        """Everything printed so far, both streams."""
        return self.log_path.read_text(errors="replace")

    def is_running(self) -> bool:
        return self.process.poll() is None

    def family(self) -> list[psutil.Process]:
        """The process and all it has started that still live; its oldest first."""
        try:
            own = psutil.Process(self.pid)
            return [own, *own.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def wait_for_log(self, text: str, *, within: float = 60.0) -> str:
        """Wait until `text` was printed; fails at once, with the log, if the process ends without it."""

        def said() -> str:
            words = self.log
            if text in words:
                return words
            if not self.is_running():
                raise RuntimeError(
                    f"ended with {self.process.returncode} before it said {text!r}:\n{self.log}"
                )
            raise AssertionError(f"{text!r} is not in the log:\n{words}")

        return eventually(said, within=within)

    def signal(self, number: int) -> None:
        """Signal the process alone, as a supervisor would."""
        self.process.send_signal(number)

    def signal_group(self, number: int) -> None:
        """Signal its whole process group, as a terminal's Ctrl-C or an out-of-memory reaper would."""
        os.killpg(self.pid, number)

    def wait(self, *, within: float = STOPS_WITHIN_S) -> int:
        """Wait for its end and give the exit code."""
        return self.process.wait(within)

    def stop(self, *, within: float = STOPS_WITHIN_S) -> int:
        """Ask it to stop (SIGTERM) and give the exit code."""
        if self.is_running():
            self.signal(signal.SIGTERM)
        return self.wait(within=within)


class Project:
    """A folder with a plan and a tasks module, and the processes a test started in it."""

    def __init__(
        self, folder: Path, *, plan: str | None = None, tasks: str | None = None, environ: Mapping[str, str]
    ) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)},
            "PATH": os.pathsep.join([str(PROGRAMS), os.environ.get("PATH", os.defpath)]),
            "PYTHONPATH": os.pathsep.join([str(folder), str(SOURCE)]),
            "PYTHONUNBUFFERED": "1",
            "NO_COLOR": "1",
            "COLUMNS": "200",
            **environ,
            MARK: self.mark,
        }
        self._started: list[Running] = []
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in (("celeriac.toml", plan), ("shop_tasks.py", tasks)):
            if text is not None:
                (folder / name).write_text(text)

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project, making its folders."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def start(self, *command: str) -> Running:
        """Start any command in the project's folder and environment."""
        log = self.folder / f"process-{len(self._started)}.log"
        running = Running(command, self, log)
        self._started.append(running)
        return running

    def start_celeriac(self, *arguments: str) -> Running:
        """Start `celeriac …`, as `start_celeriac("worker", "web")`."""
        return self.start(str(PROGRAMS / "celeriac"), *arguments)

    def start_celery(self, *arguments: str) -> Running:
        """Start `celery …`, as `start_celery("-A", "shop", "worker", "-P", "solo")`."""
        return self.start(str(PROGRAMS / "celery"), *arguments)

    def run(self, *command: str, within: float = 60.0, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command to its end and give what it printed; the caller judges the exit code."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environ,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )

    def celeriac(
        self, *arguments: str, within: float = 60.0, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run `celeriac …` to its end."""
        return self.run(str(PROGRAMS / "celeriac"), *arguments, within=within, stdin=stdin)

    def close(self) -> None:
        """End everything the project ever started, by id, also what has left its process group."""
        leftovers = {process.pid: process for running in self._started for process in running.family()}
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.mark:
                    leftovers[process.pid] = process
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        for process in leftovers.values():
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        for running in self._started:
            running.process.wait(STOPS_WITHIN_S)
        eventually(lambda: not any(map(_lives, leftovers.values())), within=STOPS_WITHIN_S)


def _lives(process: psutil.Process) -> bool:
    """Say whether it can still do anything: an orphan's entry stays until init gets round to reading it."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
