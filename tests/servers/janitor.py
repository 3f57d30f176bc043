"""The janitor: ends whatever a killed pytest has left running.

A process of its own, which holds the other end of a pipe: when pytest is gone, kill -9 included, it kills every process
that carries pytest's mark in its environment, servers, workers and what these have started.

python tests/servers/janitor.py MARK        what `follow` starts
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from contextlib import suppress

import psutil

#: in the environment of all that a pytest process starts
VARIABLE = "TESTS_OF_CELERIAC"


def follow() -> None:
    """Mark all that this process starts from now on, and have it ended when this process is gone."""
    os.environ[VARIABLE] = mark = uuid.uuid4().hex
    ours = subprocess.Popen(
        [sys.executable, __file__, mark],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        # A Ctrl-C is for pytest, which then ends its processes itself.
        start_new_session=True,
        env={name: value for name, value in os.environ.items() if name != VARIABLE},
    )
    _kept.append(ours)


def watch(process_id: int) -> None:
    """Have a process ended too that overwrites its environment, as redis-server does for its title."""
    for janitor in _kept:
        assert janitor.stdin is not None
        janitor.stdin.write(f"{process_id}\n".encode())
        janitor.stdin.flush()


#: the pipe is to close with this process, not before
_kept: list[subprocess.Popen[bytes]] = []


def clear(mark: str) -> None:
    """Kill every process that carries the mark."""
    for process in psutil.process_iter():
        try:
            if process.environ().get(VARIABLE) == mark:
                process.kill()
        except psutil.Error:
            continue


if __name__ == "__main__":
    # Taken now: a process id that is used again later is another process.
    watched = [psutil.Process(int(line)) for line in sys.stdin if psutil.pid_exists(int(line))]
    for process in watched:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    # Twice: what was just being started by one that is killed now.
    clear(sys.argv[1])
    clear(sys.argv[1])
