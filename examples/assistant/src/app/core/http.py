"""The HTTP client of a process: one for all its calls, since making one takes longer than most of them."""

from __future__ import annotations

from functools import cache

import httpx

#: how long a service may take to answer; a task that waits for one keeps a slot from another task
_PATIENCE_S = 20.0


@cache
def http() -> httpx.Client:
    """Give the client; it is made by the first call, so every slot of a worker has its own."""
    return httpx.Client(timeout=_PATIENCE_S)
