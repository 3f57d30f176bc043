"""The signature that a task of ours makes: Celery's own, cloned, frozen and sent in fewer steps."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from celery import canvas as stock
from kombu.utils.uuid import uuid

_STOCK: Any = stock.Signature
_INIT, _CLONE, _FREEZE, _APPLY, _MERGE = (
    _STOCK.__init__,
    _STOCK.clone,
    _STOCK.freeze,
    _STOCK.apply_async,
    _STOCK._merge,
)


class Signature(_STOCK):
    """A signature of one task, which is Celery's in all that can be seen of it.

    A group clones, freezes and sends each of its tasks; Celery looks up each part of a signature by a path of names,
    and keeps what it finds in a dictionary of its own.
    """

    def clone(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Copy it, with more arguments before its own, or other options."""
        if args or kwargs or options or self._type is None or self.get("subtask_type"):
            return super().clone(args, kwargs, **options)
        own = self["options"]
        copy = Signature(
            {
                "task": self["task"],
                "args": tuple(self["args"]),
                "kwargs": dict(self["kwargs"]),
                "options": deepcopy(own) if own else {},
                "subtask_type": self["subtask_type"],
                "immutable": self["immutable"],
            },
            app=self._app,
        )
        copy._type = self._type
        return copy

    partial = clone

    def freeze(
        self,
        _id: str | None = None,
        group_id: str | None = None,
        chord: Any = None,
        root_id: str | None = None,
        parent_id: str | None = None,
        group_index: int | None = None,
    ) -> Any:
        """Give it an id, and the result that will be known by it."""
        task = self._type
        if task is None:
            return super().freeze(_id, group_id, chord, root_id, parent_id, group_index)
        options = self["options"]
        task_id = options.get("task_id")
        if "task_id" not in options:
            task_id = options["task_id"] = _id or uuid()
        if root_id:
            options["root_id"] = root_id
        if parent_id:
            options["parent_id"] = parent_id
        if "reply_to" not in options:
            options["reply_to"] = (self._app or self.app).thread_oid
        if group_id and "group_id" not in options:
            options["group_id"] = group_id
        if chord:
            options["chord"] = chord
        if group_index is not None:
            options["group_index"] = group_index
        return task.AsyncResult(task_id)

    _freeze = freeze

    def apply_async(
        self, args: Any = None, kwargs: Any = None, route_name: Any = None, **options: Any
    ) -> Any:
        """Send the task. args, kwargs: more of them, before its own; options: over its own."""
        task, own = self._type, self["options"]
        if task is None or args or kwargs or "stamped_headers" in own:
            return super().apply_async(args, kwargs, route_name, **options)
        fixed = self._IMMUTABLE_OPTIONS
        sent = dict(own)
        for name, value in options.items():
            if value is not None and (name not in own or name not in fixed):
                sent[name] = value
        return task.apply_async(self["args"], self["kwargs"], **sent)


def signature_of(task: Any, args: Any, *rest: Any, **said: Any) -> Any:
    """Make a signature of a task; of Celery's class where somebody has put his own in the place of its functions."""
    untouched = (
        _STOCK.__init__ is _INIT
        and _STOCK.clone is _CLONE
        and _STOCK.freeze is _FREEZE
        and _STOCK.apply_async is _APPLY
        and _STOCK._merge is _MERGE
    )
    return (Signature if untouched else _STOCK)(task, args, *rest, **said)
