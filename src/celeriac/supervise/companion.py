"""A command that works beside the processes: it starts when all of them are ready, and its end drains them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from datetime import timedelta

from celeriac.errors import CommandError

#: how long the processes have to become ready, looked at so often
READY_WITHIN = timedelta(seconds=120)
LOOK_EVERY = timedelta(milliseconds=50)
#: a process that was started again so often and is not ready never will be: it cannot import its tasks
TRIES = 2
#: the exit code of shells for a command that cannot be run
NOT_RUN = 127


class Companion:
    """The command of `celeriac up -- COMMAND`; it has the terminal, and works in the caller's folder.

    exit_code: as a shell words it (128 and the signal's number for a signal); None while it has not ended.
    """

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        self._argv = list(argv)
        self._environ = dict(environ)
        self._process: asyncio.subprocess.Process | None = None
        self.exit_code: int | None = None

    async def run(self) -> None:
        """Start the command and wait for its end.

        Raises: CommandError UP-016 if there is no such program.
        """
        try:
            self._process = await asyncio.create_subprocess_exec(*self._argv, env=self._environ)
        except OSError as error:
            self.exit_code = NOT_RUN
            raise CommandError(
                "UP-016",
                f'"{self._argv[0]}" cannot be run: {os.strerror(error.errno or 0)}',
                fix="write a program with its arguments after --, like celeriac up -- pytest",
            ) from error
        code = await self._process.wait()
        self.exit_code = 128 - code if code < 0 else code

    def ask_to_end(self) -> None:
        """Send it SIGTERM, if it runs: who sends tasks stops before those who work on them."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it now, if it runs."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
