"""The words and figures that rules share."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import psutil

from celeriac.errors import redacted
from celeriac.plan import Plan
from celeriac.units import say_age

__all__ = ["address", "is_here", "pools_reading", "rounded", "say_age", "size", "those", "times"]

_NAMED = 4


def address(url: str) -> str:
    """Write the URL of a server without its password and options."""
    return redacted(url).partition("?")[0]


def size(count: int) -> str:
    """Write a number of bytes to three figures, like "1.2 GiB"."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.3g} TiB"


def times(count: int) -> str:
    """Write "once", "3 times"."""
    return "once" if count == 1 else f"{count} times"


def those(names: Sequence[str]) -> str:
    """Write some names as a part of a sentence, the first four of many."""
    if len(names) > _NAMED:
        return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def rounded(seconds: float | None) -> float | None:
    """Give seconds to the millisecond, as a fact."""
    return None if seconds is None else round(seconds, 3)


def pools_reading(plan: Plan, queue: str) -> list[str]:
    """Name the pools that read a queue, those that have workers first."""
    pools = [name for name, pool in plan.pools.items() if queue in pool.queues]
    return sorted(pools, key=lambda name: not plan.pools[name].workers.min)


def is_here(holder: str) -> bool:
    """Say whether the holder of a lease, "host:pid:…", may live; one of another host is believed to."""
    host, pid, *_ = (*holder.split(":"), "")
    return host != socket.gethostname() or not pid.isdigit() or psutil.pid_exists(int(pid))
