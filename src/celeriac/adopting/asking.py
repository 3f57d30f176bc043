"""Asking a project what it is set to, in a process that cannot hang, flood or take us down."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import msgspec

from celeriac.adopting.snapshot import Failure, Snapshot
from celeriac.errors import AdoptError, redacted

#: how long importing a project may take
DEADLINE_S = 60.0
_LAST_LINES = 15
#: not by -m, which would import the module twice
_PROGRAM = "import sys; from celeriac.adopting.snapshot import main; main(sys.argv[1:])"
_LONGEST_LINE = 500


def ask(
    folder: Path,
    app_path: str,
    plan: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    deadline_s: float = DEADLINE_S,
) -> Snapshot:
    """Give the snapshot of an app, imported from `folder`; with a plan, after it was adopted.

    environ: variables it is given beside those of this process.
    Raises: AdoptError ADOPT-003 if the import breaks, ADOPT-004 if a module is missing, ADOPT-005 if it ends its
        process, ADOPT-006 if it takes longer than the deadline.
    """
    read_end, write_end = os.pipe()
    command = [sys.executable, "-c", _PROGRAM, str(write_end), app_path]
    process = subprocess.Popen(  # noqa: S603 - our own program
        [*command, str(plan)] if plan else command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(write_end,),
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **(environ or {})},
    )
    os.close(write_end)
    words: deque[str] = deque(maxlen=_LAST_LINES)
    answer: list[bytes] = []
    assert process.stdout is not None
    readers = [
        threading.Thread(target=_keep_last, args=(process.stdout, words), daemon=True),
        threading.Thread(target=_read_all, args=(read_end, answer), daemon=True),
    ]
    for reader in readers:
        reader.start()
    try:
        process.wait(deadline_s)
    except subprocess.TimeoutExpired:
        raise AdoptError(
            "ADOPT-006",
            f'importing the app "{app_path}" took longer than {deadline_s:.0f} s; it said last:\n{_said(words)}',
            at=str(folder),
            fix="see what it waits for while it is imported; a worker would wait as long",
        ) from None
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for reader in readers:
            reader.join(2.0)
    if not answer or not answer[0]:
        raise AdoptError(
            "ADOPT-005",
            f'importing the app "{app_path}" ended its process with {process.returncode}; it said:\n{_said(words)}',
            at=str(folder),
            fix="see what ends it; a worker would end too",
        )
    return _snapshot(answer[0], folder, app_path)


def _snapshot(answer: bytes, folder: Path, app_path: str) -> Snapshot:
    read = msgspec.json.decode(answer)
    if "snapshot" in read:
        return msgspec.convert(read["snapshot"], Snapshot)
    failure = msgspec.convert(read["failure"], Failure)
    message = failure.message.rstrip(".")
    refused = f" (it wanted to connect to {', '.join(failure.connected[:3])})" if failure.connected else ""
    if failure.missing is not None:
        raise AdoptError(
            "ADOPT-004",
            f'the app "{app_path}" cannot be imported: there is no module "{failure.missing}".',
            at=failure.at,
            fix=f"install the project's own requirements beside Celeriac, in {sys.prefix}, or name the app with -A",
        )
    raise AdoptError(
        "ADOPT-003",
        redacted(f'the app "{app_path}" cannot be imported: {failure.kind}: {message}{refused}.'),
        at=failure.at or str(folder),
        fix="give it the settings and variables its workers have, or name another app with -A",
    )


def _keep_last(stream: IO[bytes], words: deque[str]) -> None:
    while line := stream.readline(_LONGEST_LINE):
        words.append(line.decode(errors="replace").rstrip())


def _read_all(descriptor: int, answer: list[bytes]) -> None:
    with os.fdopen(descriptor, "rb") as stream:
        answer.append(stream.read())


def _said(words: deque[str]) -> str:
    return redacted("\n".join(f"    {line}" for line in words)) or "    nothing"
