"""A project folder with `celeriac up` running in it, which never outlives us."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psutil

HERE = Path(__file__).resolve().parent
Value = TypeVar("Value")

_STOPS_WITHIN_S = 20.0
_A_COMMAND_TAKES_S = 30.0


class TooLate(Exception):
    """Something did not happen in time."""


class Deadline:
    """The time this run may take, all in all."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends_at = time.monotonic() + seconds

    def wait_for(self, what: str, condition: Callable[[], Value], every_s: float = 0.2) -> Value:
        """Call `condition` until it gives something true, and give that.

        Raises: TooLate if the time is up.
        """
        while True:
            found = condition()
            if found:
                return found
            if time.monotonic() > self._ends_at:
                raise TooLate(f"{what}: not within the {self.seconds:.0f} s of this run")
            time.sleep(every_s)


class Project:
    """A fresh copy of the plan and its tasks, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._up: subprocess.Popen[bytes] | None = None
        # The settings of the viewer's own shell must not reach in.
        self._environ = {
            name: value for name, value in os.environ.items() if not name.startswith(("CELERY_", "CELERIAC_"))
        }

    @property
    def log(self) -> Path:
        """Where `celeriac up` and its processes write."""
        return self.folder / "up.log"

    def make(self) -> None:
        """Put the project in its folder, in place of what an earlier run has left there."""
        if self.folder.exists():
            if not (self.folder / "celeriac.toml").exists() and any(self.folder.iterdir()):
                raise SystemExit(f"{self.folder} holds something else; name another folder with --work")
            if self._is_up():
                raise SystemExit(f"a run is under way in {self.folder}; end it first")
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True)
        shutil.copy(HERE / "celeriac.toml", self.folder)
        shutil.copytree(
            HERE / "flights", self.folder / "flights", ignore=shutil.ignore_patterns("__pycache__")
        )

    def _is_up(self) -> bool:
        try:
            return self.status() is not None
        except SystemExit:
            return False  # what lies there cannot be read, so nothing runs on it

    def up(self) -> None:
        """Start `celeriac up`."""
        with self.log.open("wb") as log:
            self._up = subprocess.Popen(
                [sys.executable, "-m", "celeriac", "up"],
                cwd=self.folder,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is for us; we stop it then
            )

    def celeriac(self, *arguments: str) -> str:
        """Run a command of `celeriac` in the folder and give what it printed.

        Raises: SystemExit with its words if it failed; TooLate.
        """
        try:
            done = subprocess.run(
                [sys.executable, "-m", "celeriac", *arguments],
                cwd=self.folder,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_A_COMMAND_TAKES_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise TooLate(f"celeriac {' '.join(arguments)}: no end after {error.timeout:.0f} s") from error
        if done.returncode:
            raise SystemExit(f"celeriac {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout

    def read(self, *arguments: str) -> Any:
        """Run a reading command with `--json` and give its document."""
        return json.loads(self.celeriac(*arguments, "--json"))

    def status(self) -> dict[str, dict[str, Any]] | None:
        """Give the processes of `celeriac up` by name; None while it does not run."""
        up = self.read("status")["up"]
        return None if up is None else {process["name"]: process for process in up["processes"]}

    def ready(self) -> dict[str, dict[str, Any]] | None:
        """Give the processes once all of them are ready.

        Raises: SystemExit with the log if `celeriac up` has ended.
        """
        if self._up is None or self._up.poll() is not None:
            raise SystemExit(f"celeriac up has ended:\n{self.log.read_text(errors='replace')}")
        processes = self.status()
        if processes is None or any(process["state"] != "ready" for process in processes.values()):
            return None
        return processes

    def stop(self) -> None:
        """Ask `celeriac up` to drain, and make sure that nothing of it is left."""
        if self._up is None:
            return
        try:
            family = psutil.Process(self._up.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            family = []
        self._up.send_signal(signal.SIGTERM)
        try:
            self._up.wait(_STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._up.kill()
            self._up.wait()
        for process in family:
            if process.is_running():
                process.kill()
        psutil.wait_procs(family, timeout=_STOPS_WITHIN_S)
