"""One supervisor per project folder: a lock that dies with its holder, and the file that says what runs."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from celeriac.control.processes import LOCK, STATE, UpState
from celeriac.errors import AlreadyRunning, SuperviseError


class Instance:
    """Holds `up.lock` while it is entered.

    folder: the project's `.celeriac/`; made if missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        """Take the lock.

        Raises: AlreadyRunning if another supervisor holds it, SuperviseError if the folder cannot be written.
        """
        lock = self._folder / LOCK
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise SuperviseError(
                "UP-002", f"cannot write in {self._folder}: {error.strerror}", fix="make the folder writable"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip()
            os.close(descriptor)
            raise AlreadyRunning(
                "UP-001",
                f"this project is already running, started by process {holder or 'unknown'}",
                at=str(lock),
                fix=f"see `celeriac status`, or stop it with `kill {holder}`" if holder else None,
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        (self._folder / STATE).unlink(missing_ok=True)
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def publish(self, state: UpState) -> None:
        """Let whoever asks see this state; a reader sees the old one or the new one, never a half."""
        draft = self._folder / f"{STATE}.new"
        draft.write_bytes(msgspec.json.encode(state))
        draft.replace(self._folder / STATE)
