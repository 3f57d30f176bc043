"""Who waits for which result: one small object for each member of a group, where Celery keeps a mapping."""

from __future__ import annotations

import weakref
from typing import Any


class OneWaiter(weakref.ref[Any]):
    """The only result that waits for a task, weakly, read as Celery reads its mapping from `id(result)` to the result.

    Celery's own is a WeakValueDictionary for each task: ten objects, through which the garbage collector goes again
    and again while a large group is sent.
    """

    __slots__ = ("_is_let_go",)

    _is_let_go: bool

    def __init__(self, result: Any) -> None:
        self._is_let_go = False

    def __bool__(self) -> bool:
        return not self._is_let_go and self() is not None

    def values(self) -> list[Any]:
        """Give the result, unless it is gone."""
        result = None if self._is_let_go else self()
        return [] if result is None else [result]

    def get(self, place: int) -> Any:
        """Give the result if its id is `place`."""
        return next((result for result in self.values() if id(result) == place), None)

    def pop(self, place: int, default: Any = None) -> Any:
        """Let go of the result if its id is `place`."""
        result = self.get(place)
        if result is None:
            return default
        self._is_let_go = True
        return result


class FewWaiters:
    """The part of a backend that notes who waits.

    It stands before Celery's `AsyncBackendMixin`, whose other methods find in `_pending_results` what they expect.
    """

    _pending_results: Any
    result_consumer: Any

    def _add_pending_result(self, task_id: str, result: Any, weak: bool = False) -> None:
        strongly, weakly = self._pending_results
        if weak and task_id not in weakly and task_id not in strongly:
            weakly[task_id] = OneWaiter(result)
            self.result_consumer.consume_from(task_id)
            return
        alone = weakly.get(task_id)
        if weak and isinstance(alone, OneWaiter):
            weakly[task_id] = weakref.WeakValueDictionary({id(each): each for each in alone.values()})
        celerys: Any = super()
        celerys._add_pending_result(task_id, result, weak=weak)

    def remove_pending_result(self, result: Any) -> Any:
        """Forget that somebody waits for a result. This is asked of each as it goes; most, nobody has waited for."""
        if any(result.id in waited_for for waited_for in self._pending_results):
            celerys: Any = super()
            celerys.remove_pending_result(result)
        return result
