"""Doorbells: a sender wakes the consumers that sleep on a queue, without anybody polling.

A consumer listens at a named pipe; for each queue it reads, the pipe is linked into that queue's folder. A sender
writes one byte to every pipe in the folder after its commit. A pipe that nobody listens at is taken down by the ringer.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from celeriac.transports.readiness import readable


class Doorbell:
    """One consumer's pipe; rung means "look at your queues"."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._path = folder / f"{name}.bell"
        self._path.unlink(missing_ok=True)
        os.mkfifo(self._path)
        self._reading = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
        # Our own writing end keeps the pipe from signalling "end of file" whenever a sender closes his.
        self._writing = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)

    def fileno(self) -> int:
        return self._reading

    def hang(self, queue: str) -> None:
        """Be rung for this queue from now on."""
        room = _room(self._folder, queue)
        room.mkdir(exist_ok=True)
        place = room / self._name
        if not place.exists():
            place.hardlink_to(self._path)

    def take_down(self, queue: str) -> None:
        """Be rung for this queue no longer."""
        (_room(self._folder, queue) / self._name).unlink(missing_ok=True)

    def ring(self) -> None:
        """Wake our own loop, from any thread."""
        _write(self._writing)

    def silence(self) -> None:
        """Forget the rings so far; look at the queues after this, not before."""
        try:
            while len(os.read(self._reading, 4096)) == 4096:
                pass
        except BlockingIOError:
            pass

    def wait(self, timeout_s: float | None) -> bool:
        """Sleep until rung or until the time is up; say whether it rang."""
        return bool(readable([self._reading], timeout_s))

    def close(self) -> None:
        for descriptor in (self._reading, self._writing):
            os.close(descriptor)
        remove(self._folder, self._name)


def ring(folder: Path, queues: Iterable[str]) -> None:
    """Wake every consumer of these queues."""
    for queue in queues:
        try:
            places = os.scandir(_room(folder, queue))
        except FileNotFoundError:
            continue
        with places:
            for place in places:
                _ring_at(place.path)


def _ring_at(place: str) -> None:
    try:
        descriptor = os.open(place, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ENXIO:  # nobody listens any more
            Path(place).unlink(missing_ok=True)
        elif error.errno != errno.ENOENT:
            raise
        return
    try:
        _write(descriptor)
    finally:
        os.close(descriptor)


def _write(descriptor: int) -> None:
    with suppress(BlockingIOError, BrokenPipeError):  # full of rings already, or just gone
        os.write(descriptor, b"!")


def remove(folder: Path, name: str) -> None:
    """Take a consumer's pipe out of every room, its own place too."""
    for place in folder.glob(f"q-*/{name}"):
        place.unlink(missing_ok=True)
    (folder / f"{name}.bell").unlink(missing_ok=True)


def _room(folder: Path, queue: str) -> Path:
    name = quote(queue, safe="")
    if len(name) > 200:
        name = hashlib.sha256(queue.encode()).hexdigest()
    return folder / f"q-{name}"
