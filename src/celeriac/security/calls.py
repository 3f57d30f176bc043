"""Which tasks a message leads to: its own, and those that follow it in a chain, a chord or a callback."""

from __future__ import annotations

from collections import UserList
from collections.abc import Iterator
from typing import Any

#: Celery's own tasks carry what they send on in their arguments: chord_unlock, group, chain, map
_BUILTIN = "celery."


def tasks_of(name: str, body: Any) -> Iterator[str]:
    """Give the names of the tasks a message leads to, its own first; some perhaps twice.

    body: args, kwargs and what follows, before it is encoded or after it was decoded. Signatures among the arguments of
    a task of the team are its own affair: whether it sends them on, nobody knows.
    """
    yield name
    if not isinstance(body, list | tuple) or len(body) != 3:
        return
    args, kwargs, following = body
    if following and any(following.values()):
        yield from _named_in(following)
    if name.startswith(_BUILTIN):
        yield from _named_in([args, kwargs])


def _named_in(value: Any) -> Iterator[str]:
    level = [value]
    while level:
        each = level.pop()
        if isinstance(each, dict):
            task = each.get("task")
            if isinstance(task, str):
                yield task
            level.extend(each.values())
        elif isinstance(
            each, list | tuple | UserList
        ):  # Celery keeps a group in a UserList until it is encoded
            level.extend(each)
