"""One running process: started in a session of its own, read line by line, stopped with all it started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import psutil

from celeriac.supervise.lifeline import VARIABLE

_LONGEST_LINE_BYTES = 1 << 20
#: how long to read on after the end, when something the process started still holds its output open
_LAST_WORDS_S = 1.0


def command(argv: Sequence[str]) -> list[str]:
    """The words to execute: "celeriac" becomes this interpreter's own, whatever PATH says."""
    return [sys.executable, "-m", "celeriac", *argv[1:]] if argv[0] == "celeriac" else list(argv)


class Child:
    """A process from its start to its end.

    pid: also the id of its process group.
    ready: set once it said so on its lifeline.
    exit_code: None while it runs; negative: the signal that ended it.
    """

    def __init__(self, process: asyncio.subprocess.Process, line: socket.socket) -> None:
        self._process = process
        self._line = line
        self._started = time.monotonic()
        self._ended: float | None = None
        self._life: asyncio.Task[None] | None = None
        self.pid = process.pid
        self.ready = asyncio.Event()
        self.ended = asyncio.Event()
        self.started_at = time.time()

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        folder: Path,
        grace: timedelta,
        write: Callable[[str], None],
    ) -> Child:
        """Start `argv` in `folder`; `write` receives each line of its output.

        Raises: OSError if it cannot be started.
        """
        ours, theirs = socket.socketpair()
        # Not asyncio's own pipe: with that, an end is not seen before all who inherited the pipe have closed it.
        output, its_output = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *command(argv),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=its_output,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(theirs.fileno(),),
                env={**env, VARIABLE: f"{theirs.fileno()}:{grace.total_seconds()}"},
                cwd=folder,
            )
        except OSError:
            ours.close()
            os.close(output)
            raise
        finally:
            theirs.close()
            os.close(its_output)
        ours.setblocking(False)
        child = cls(process, ours)
        child._life = asyncio.create_task(child._live(output, write), name=f"child {process.pid}")
        return child

    @property
    def exit_code(self) -> int | None:
        return self._process.returncode

    @property
    def ran(self) -> timedelta:
        """How long it has run, or ran until its end."""
        return timedelta(seconds=(self._ended or time.monotonic()) - self._started)

    async def ends_within(self, span: timedelta | None) -> bool:
        """Wait for its end; None waits for ever. Returns: whether it ended."""
        try:
            await asyncio.wait_for(self.ended.wait(), span.total_seconds() if span is not None else None)
        except TimeoutError:
            return False
        return True

    def ask(self, number: signal.Signals) -> None:
        """Send its main process a signal, if it still runs."""
        if self.exit_code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it now, with its process group and with whatever it started elsewhere."""
        if self.ended.is_set():
            return  # its id may be another's by now
        started_elsewhere: list[psutil.Process] = []
        with contextlib.suppress(psutil.Error):
            if self.exit_code is None:
                started_elsewhere = psutil.Process(self.pid).children(recursive=True)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        for process in started_elsewhere:
            with contextlib.suppress(psutil.Error):
                process.kill()

    async def _live(self, output: int, write: Callable[[str], None]) -> None:
        reading = asyncio.create_task(_read_lines(output, write))
        waiting = asyncio.create_task(self._read_line())
        try:
            await self._process.wait()
            self._ended = time.monotonic()
            # Slots whose main process is gone would go on with tasks that are handed on to others.
            self.kill()
            await asyncio.wait({reading}, timeout=_LAST_WORDS_S)
        finally:
            reading.cancel()
            waiting.cancel()
            self._line.close()
            self.ended.set()

    async def _read_line(self) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while received := await loop.sock_recv(self._line, 64):
                if b"ready" in received:
                    self.ready.set()


async def _read_lines(output: int, write: Callable[[str], None]) -> None:
    """Pass on the lines of a pipe until it is closed on the other side."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(output, "rb", buffering=0)
    )
    rest = b""
    try:
        while received := await reader.read(65536):
            *lines, rest = (rest + received).split(b"\n")
            if len(rest) > _LONGEST_LINE_BYTES:
                lines.append(rest)
                rest = b""
            for line in lines:
                write(line.rstrip(b"\r").decode(errors="replace"))
    finally:
        if rest:
            write(rest.decode(errors="replace"))
        transport.close()
