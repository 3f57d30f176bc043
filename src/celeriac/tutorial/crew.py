"""The crew: the processes that the story starts, every one of them gone when it is over, whatever ends it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from celeriac.errors import TutorialError
from celeriac.supervise.lifeline import VARIABLE

_READY_WITHIN_S = 60.0
#: a worker that stops finishes what it runs, then it is killed
_STOPS_WITHIN_S = 15.0
_LAST_LINES = 12


class Member:
    """One process: `celeriac worker web`, say. pid: also the id of its process group."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], line: socket.socket, log: Path) -> None:
        self.name = name
        self.pid = process.pid
        self.log = log
        self._process = process
        self._line = line

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def await_ready(self) -> None:
        """Wait until it says on its lifeline that it works.

        Raises: TutorialError TUTOR-012 if it ends, or does not say so in time.
        """
        deadline = time.monotonic() + _READY_WITHIN_S
        self._line.settimeout(0.1)
        while time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                said = self._line.recv(64)
                if b"ready" in said:
                    return
                if not said:
                    break
            if not self.is_running:
                break
        state = "is not ready" if self.is_running else f"ended with {self._process.returncode}"
        raise TutorialError(
            "TUTOR-012",
            f"{self.name} {state}; it said last:\n{self.last_words()}",
            at=str(self.log),
            fix="mend what it says; `celeriac check` looks at a plan and its tasks",
        )

    def last_words(self) -> str:
        """Give the end of what it printed."""
        lines = self.log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        return "\n".join(f"    {line}" for line in lines)

    def ask_to_stop(self) -> None:
        """Let it finish what it runs."""
        if self.is_running:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9, with the processes it has started: they are all in its group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._line.close()

    def await_end(self, deadline: float) -> None:
        """Wait until it has stopped; kill it when `deadline`, of the monotonic clock, has passed."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(deadline - time.monotonic(), 0.0))
        self.kill()


class Crew:
    """The processes of one story, by name."""

    def __init__(self, folder: Path, environ: Mapping[str, str], logs: Path) -> None:
        """folder: where they run; logs: where each writes NAME.log."""
        self._folder = folder
        self._environ = environ
        self._logs = logs
        self._members: dict[str, Member] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._members

    @property
    def names(self) -> tuple[str, ...]:
        """Who runs, in the order of their start."""
        return tuple(self._members)

    def __getitem__(self, name: str) -> Member:
        return self._members[name]

    def start(self, name: str, argv: Sequence[str]) -> Member:
        """Start `celeriac …` and come back when it works.

        argv: its words, "celeriac" first.
        Raises: TutorialError TUTOR-012 with its last words if it does not come to that.
        """
        ours, theirs = socket.socketpair()
        log = self._logs / f"{name}.log"
        # The lifeline stops it when we are gone, kill -9 included.
        environ = {
            **self._environ,
            VARIABLE: f"{theirs.fileno()}:{_STOPS_WITHIN_S:g}",
            "PYTHONUNBUFFERED": "1",
        }
        with theirs, log.open("ab") as out:
            process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "celeriac", *argv[1:]],
                cwd=self._folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is for us; we stop it then
                pass_fds=(theirs.fileno(),),
            )
        member = self._members[name] = Member(name, process, ours, log)
        member.await_ready()
        return member

    def kill(self, name: str) -> int:
        """kill -9 one of them; give the process id it had."""
        member = self._members.pop(name)
        member.kill()
        return member.pid

    def stop(self, name: str) -> None:
        """Stop one of them as a deployment would."""
        member = self._members.pop(name)
        member.ask_to_stop()
        member.await_end(time.monotonic() + _STOPS_WITHIN_S)

    def last_words(self) -> dict[str, str]:
        """Give the end of what each has printed, by name."""
        return {name: member.last_words() for name, member in self._members.items()}

    def dismiss(self) -> None:
        """Stop them all; another Ctrl-C kills those that still run."""
        try:
            deadline = time.monotonic() + _STOPS_WITHIN_S
            for member in self._members.values():
                member.ask_to_stop()
            for member in self._members.values():
                member.await_end(deadline)
        finally:
            for member in self._members.values():
                member.kill()
            self._members.clear()
