"""The choice of a broker as the processes of a project share it: a file that says which, a lock that says whether.

While a process that works on the choice lives (`up`, a worker, beat, the recorder), it holds the lock, and it is
in force: whoever starts then follows it. When the last of them is gone, the kernel has let go of the lock, and the next
to start chooses anew.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from celeriac.errors import redacted

FILE = "broker.json"
LOCK = "broker.lock"
#: a process that looks whether somebody holds the lock holds it for an instant itself
_LOOKS = 3
_LOOK_AGAIN_S = 0.01
#: at most this long somebody is choosing
_CHOOSING_S = 30.0


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Which broker is in use, and why.

    broker: its URL without the password; because: in words; since: epoch seconds; pid: of the process that chose.
    """

    broker: str
    because: str
    since: float
    pid: int

    def among(self, brokers: tuple[str, ...]) -> str | None:
        """Find the broker that was chosen; None if it is none of these."""
        return next((url for url in brokers if redacted(url) == self.broker), None)


def new_choice(broker: str, because: str) -> Choice:
    """Write down a choice made now, by this process."""
    return Choice(broker=redacted(broker), because=because, since=time.time(), pid=os.getpid())


#: kept open for as long as this process lives
_held: dict[Path, int] = {}


def in_force(folder: Path) -> Choice | None:
    """Give the choice that running processes of the project work on; None if there are none.

    folder: the project's `.celeriac/`. Waits while somebody is choosing.
    """
    if not (folder / LOCK).exists():
        return None
    with _lock(folder) as descriptor:
        if _take(descriptor, fcntl.LOCK_EX):
            return None
        # Who chooses holds it alone until the file says what was chosen.
        deadline = time.monotonic() + _CHOOSING_S
        while not _take(descriptor, fcntl.LOCK_SH) and time.monotonic() < deadline:
            time.sleep(_LOOK_AGAIN_S)
        return last(folder)


def last(folder: Path) -> Choice | None:
    """Give the choice that was made last, in force or not."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Choice)
    except (OSError, msgspec.DecodeError):
        return None


def hold(folder: Path, choose: Callable[[], Choice]) -> Choice:
    """Hold the choice in force until this process ends; where there is none, `choose` it.

    Raises: what `choose` raises; nothing is held then. OSError if the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = _held.get(folder)
    if descriptor is None:
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        for _ in range(_LOOKS):
            if _take(descriptor, fcntl.LOCK_EX):
                _write(folder, choose())
                break
            time.sleep(_LOOK_AGAIN_S)
        # Nobody can have chosen otherwise between the two locks unless everybody here now takes that choice.
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        choice = last(folder)
        if choice is None:  # somebody has removed the file under us
            choice = choose()
            _write(folder, choice)
    except BaseException:
        os.close(descriptor)
        _held.pop(folder, None)
        raise
    _held[folder] = descriptor
    return choice


def _write(folder: Path, choice: Choice) -> None:
    draft = folder / f"{FILE}.{os.getpid()}.new"
    draft.write_bytes(msgspec.json.encode(choice))
    draft.replace(folder / FILE)


@contextmanager
def _lock(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
