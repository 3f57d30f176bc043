"""What a result waits for, besides its own task."""

from __future__ import annotations

from celery.result import AsyncResult, ResultSet


def ids_before(result: AsyncResult | ResultSet) -> list[str]:
    """Name the tasks that must succeed before this result's tasks are sent."""
    found: list[str] = []
    node = result.parent
    while node is not None:
        if isinstance(node, AsyncResult):
            found.append(node.id)
        node = node.parent
    return found
