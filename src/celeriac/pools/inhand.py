"""What a worker has in hand, seen from any thread."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def snapshot(requests: Iterable[Any]) -> tuple[Any, ...]:
    """Copy one of Celery's weak sets of requests, to which the thread that runs tasks adds meanwhile."""
    while True:
        try:
            return tuple(requests)
        except RuntimeError:  # it changed while it was copied
            continue
