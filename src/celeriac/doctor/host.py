"""What this host tells: its disks, the memory of its workers, the beats that run here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
import psutil

from celeriac.plan import Plan
from celeriac_probe.pulse import Pulse

#: between a command's options and its name; these of Celery take a value
_WITH_A_VALUE = ("-A", "--app", "-b", "--broker", "--result-backend", "--loader", "--config", "--workdir")


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """A folder that the plan writes to, or its nearest parent that there is.

    holds: what is kept there. why: it cannot be written to, and why; "" if it can.
    """

    folder: str
    holds: tuple[str, ...]
    free_bytes: int
    why: str


class WorkerMemory(msgspec.Struct, frozen=True, kw_only=True):
    """The memory of one worker of this host.

    own_bytes: what all its processes hold together, shared pages counted once; slots: process id → resident bytes.
    """

    worker: str
    own_bytes: int
    slots: dict[int, int]


class BeatProcess(msgspec.Struct, frozen=True, kw_only=True):
    """A `celery beat`, or a worker with one in it, that runs in the plan's folder. scheduler: as it was told, if so."""

    pid: int
    command: str
    scheduler: str | None


def disks(plan: Plan) -> list[Disk]:
    """Look at every folder where the plan keeps files."""
    kept: dict[Path, list[str]] = {}
    for name in ("broker", "results", "state", "coordination"):
        scheme, _, rest = str(getattr(plan, name)).partition("://")
        if scheme == "sqlite":
            kept.setdefault(
                (plan.folder / rest.partition("?")[0].removeprefix("/")).absolute().parent, []
            ).append(name)
    kept.setdefault(plan.state_folder.absolute(), []).append("heartbeats")
    if plan.sending.spool is not None:
        kept.setdefault((plan.folder / plan.sending.spool.path).absolute().parent, []).append("spool")
    return [_disk(folder, tuple(holds)) for folder, holds in kept.items()]


def _disk(folder: Path, holds: tuple[str, ...]) -> Disk:
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not there.is_dir():
        why = f"{there} is no folder"
    elif not os.access(there, os.W_OK | os.X_OK):
        why = f"{there} may not be written to by this user"
    else:
        why = ""
    return Disk(folder=str(folder), holds=holds, free_bytes=shutil.disk_usage(there).free, why=why)


def memory(pulses: Iterable[Pulse]) -> list[WorkerMemory]:
    """Measure the live workers of this host."""
    return [found for each in pulses if each.alive for found in _memory(each)]


def _memory(worker: Pulse) -> Iterator[WorkerMemory]:
    try:
        own = psutil.Process(worker.pid)
        family = own.children(recursive=True)
        total = _held(own)
    except psutil.Error:
        return
    slots = {}
    for each in family:
        try:
            slots[each.pid] = int(each.memory_info().rss)
            total += _held(each)
        except psutil.Error:
            continue
    yield WorkerMemory(worker=worker.name, own_bytes=total, slots=slots)


def _held(process: psutil.Process) -> int:
    """Give a process's share of memory; what it shares with others is divided among them."""
    told = process.memory_full_info()
    return int(getattr(told, "pss", told.uss))  # Linux alone can divide what is shared


def beats(plan: Plan) -> list[BeatProcess]:
    """Find the stock `celery beat`s of this host that run in the plan's folder."""
    folder = plan.folder.absolute().resolve()
    found = []
    for process in psutil.process_iter():
        try:
            arguments = process.cmdline()
            if not _is_beat(arguments):
                continue
            cwd = Path(process.cwd())
        except psutil.Error:
            continue  # somebody else's, or gone
        if cwd == folder or folder in cwd.parents:
            found.append(
                BeatProcess(
                    pid=process.pid, command=" ".join(_said(arguments)), scheduler=_scheduler(arguments)
                )
            )
    return sorted(found, key=lambda each: each.pid)


def _said(arguments: Sequence[str]) -> Sequence[str]:
    """Give the command line from the program on; empty if it is not Celery's."""
    for at, each in enumerate(arguments[:3]):
        if Path(each).name == "celery" and Path(arguments[0]).name.startswith(("python", "celery")):
            return ("celery", *arguments[at + 1 :])
    return ()


def _is_beat(arguments: Sequence[str]) -> bool:
    said = _said(arguments)
    words = [
        each for at, each in enumerate(said) if not each.startswith("-") and said[at - 1] not in _WITH_A_VALUE
    ]
    if len(words) > 1 and words[1] == "beat":
        return True
    return len(words) > 1 and words[1] == "worker" and bool({"-B", "--beat"} & set(said))


def _scheduler(arguments: Sequence[str]) -> str | None:
    for at, each in enumerate(arguments):
        if each in ("-S", "--scheduler"):
            return arguments[at + 1] if at + 1 < len(arguments) else None
        if each.startswith("--scheduler="):
            return each.partition("=")[2]
    return None
