"""A chord's body, marked so that the broker stores it once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from celery.canvas import Signature, _chain, _chord, group, maybe_signature

from celeriac.wire import ONCE


def marked_once(body: Signature, group_id: str) -> Signature:
    """Give a copy of the body whose first messages carry the header `celeriac-once`.

    A body that starts with one task carries `chord:<group id>`; one that starts with several (a group, or a
    chord's header) carries `chord:<group id>:<place>` on each, since each of them is to be stored.
    """
    marked = body.clone()
    first = _first_tasks(marked)
    # By its place, not its id: a body that nobody froze gives its tasks their ids only as they are sent.
    for place, task in enumerate(first):
        key = f"chord:{group_id}" if len(first) == 1 else f"chord:{group_id}:{place}"
        task.set(headers={**(task.options.get("headers") or {}), ONCE: key})
    return marked


def _first_tasks(signature: Any) -> list[Any]:
    if isinstance(signature, _chain):
        signature.tasks = _typed(signature.tasks)
        return _first_tasks(signature.tasks[0])
    if isinstance(signature, _chord) and not isinstance(signature.tasks, list | tuple):
        return _first_tasks(signature.tasks)
    if isinstance(signature, _chord | group):
        signature.tasks = _typed(signature.tasks)
        return [first for task in signature.tasks for first in _first_tasks(task)]
    return [signature]


def _typed(tasks: Iterable[Any]) -> list[Any]:
    # A signature read back from a message holds its members as plain dicts.
    return [maybe_signature(task) for task in tasks]
