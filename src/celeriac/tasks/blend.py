"""How a task's own Request class and Celeriac's work together."""

from __future__ import annotations

from functools import cache
from typing import Any

from kombu.utils.imports import symbol_by_name

from celeriac.tasks.request import Request


def blend_requests(app: Any) -> None:
    """Give every task with a Request class of its own one that is that class and Celeriac's too."""
    for task in app.tasks.values():
        own = symbol_by_name(task.Request)
        if not issubclass(own, Request):
            task.Request = _blended(own)


@cache
def _blended(own: type) -> type:
    return type(own.__name__, (Request, own), {"__module__": own.__module__, "__doc__": own.__doc__})
