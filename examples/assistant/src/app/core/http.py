"""The HTTP client of a process: one for all its calls, since making one takes longer than most of them."""

from __future__ import annotations

import httpx

#: how long a service may take to answer; a task that waits for one keeps a slot from another task
_PATIENCE_S = 20.0

# A worker makes it before it forks its slots, and none connects before it has a task, so no two share a connection.
http = httpx.Client(timeout=_PATIENCE_S)
