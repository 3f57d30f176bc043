"""Waiting until one of several descriptors can be read, however high their numbers are."""

from __future__ import annotations

import math
import select
from collections.abc import Iterable


def readable(descriptors: Iterable[int], timeout_s: float | None) -> list[int]:
    """Wait until some of the descriptors can be read, or were hung up, and give these.

    timeout_s: None waits for as long as it takes. Returns: none of them, if the time is up.
    """
    if not hasattr(select, "poll"):
        # eventlet takes away what it cannot make green; its own `select` has no bound on descriptors.
        return select.select(list(descriptors), [], [], timeout_s)[0]
    # Not `select`: it refuses descriptors above 1023, and a process may have many connections.
    poller = select.poll()
    for descriptor in descriptors:
        poller.register(descriptor, select.POLLIN)
    timeout_ms = None if timeout_s is None else math.ceil(max(timeout_s, 0.0) * 1000)
    return [descriptor for descriptor, _ in poller.poll(timeout_ms)]
