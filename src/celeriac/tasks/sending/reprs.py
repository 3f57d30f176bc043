"""How a task's arguments are written in its headers, found quickly where they are plain."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from celery.utils.nodenames import anon_nodename

_NUMBERS = frozenset({int, float, bool, type(None)})
#: longer texts are cut by Celery, at a length that depends on what stands before them
_TEXT_CHARS = 64
_ITEMS = 8


def with_short_reprs(create: Callable[..., Any]) -> Callable[..., Any]:
    """Make messages as `create` does, sparing it what it would find out at some length for each.

    create: Celery's `as_task_v2`.
    """
    origins: dict[int, str] = {}

    def create_message(
        task_id: str, name: str, args: Any = None, kwargs: Any = None, *rest: Any, **options: Any
    ) -> Any:
        if "argsrepr" not in options:
            written = _written(args or ())
            if written is not None:
                options["argsrepr"] = written
        if "kwargsrepr" not in options:
            written = _written(kwargs or {})
            if written is not None:
                options["kwargsrepr"] = written
        if options.get("origin") is None:
            pid = os.getpid()
            if pid not in origins:
                origins.clear()
                origins[pid] = anon_nodename()
            options["origin"] = origins[pid]
        return create(task_id, name, args, kwargs, *rest, **options)

    return create_message


def _written(values: Any) -> str | None:
    """Give what Celery's saferepr gives, where that is Python's own repr; None for anything else."""
    kind = type(values)
    if kind is dict:
        if not values:
            return "{}"
        plain = len(values) <= _ITEMS and all(map(_is_plain, values)) and all(map(_is_plain, values.values()))
    elif kind in (tuple, list):
        plain = len(values) <= _ITEMS and all(map(_is_plain, values))
    else:
        return None
    return repr(values) if plain else None


def _is_plain(value: Any) -> bool:
    kind = type(value)
    if kind is str:
        return len(value) <= _TEXT_CHARS and value.isalnum() and value.isascii()
    return kind in _NUMBERS and (kind is not int or -(10**18) < value < 10**18)
