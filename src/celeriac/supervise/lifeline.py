"""The lifeline: a socket between the supervisor and a process it started; each knows the other lives by it.

The process writes "ready" once it works. When the supervisor is gone, kill -9 included, the kernel closes
its end; the process then stops as if asked to, and kills its whole process group when its grace is over.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time

#: "<file descriptor>:<grace in seconds>", set by the supervisor for each process it starts
VARIABLE = "CELERIAC_LIFELINE"

_ends: list[socket.socket] = []

# Bound now: a worker on greenlets patches the module later, and a patched sleep would not sleep in this
# thread.
_sleep = time.sleep


def follow() -> bool:
    """Hold the lifeline, if this process was given one: stop when the supervisor is gone.

    Returns: whether there is a supervisor to follow.
    """
    told = os.environ.pop(VARIABLE, None)  # taken out: what a task starts is not ours to stop by this line
    if told is None:
        return False
    descriptor, grace_s = told.split(":")
    end = socket.socket(fileno=int(descriptor))
    end.set_inheritable(False)
    _ends.append(end)
    arguments = (end.fileno(), float(grace_s), threading.main_thread().ident)
    threading.Thread(target=_watch, args=arguments, daemon=True, name="lifeline").start()
    return True


def say_ready() -> None:
    """Tell the supervisor, ours or systemd, if there is one, that this process does its work now."""
    _tell_systemd(b"READY=1")
    for end in _ends:
        try:
            os.write(end.fileno(), b"ready\n")
        except OSError:
            return  # the supervisor is gone; the watch sees to that


def _tell_systemd(state: bytes) -> None:
    """Write to the socket systemd gave a unit of Type=notify. Source: sd_notify(3)."""
    address = os.environ.pop("NOTIFY_SOCKET", None)  # what a task starts is not the unit's main process
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
        end.send(state)


def _watch(descriptor: int, grace_s: float, main: int | None) -> None:
    try:
        while os.read(descriptor, 64):
            pass
    except OSError:
        pass  # a reset line is a broken line
    if main is not None:
        signal.pthread_kill(main, signal.SIGTERM)
    _sleep(grace_s)
    if os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
