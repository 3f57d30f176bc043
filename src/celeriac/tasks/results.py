"""The result that a send gives: Celery's own, which makes its promise when somebody asks for it."""

from __future__ import annotations

from typing import Any

from celery import app as stock_app
from celery import result as stock
from vine import barrier, promise

_app_or_default: Any = stock_app.app_or_default
_INIT, _THEN = stock.AsyncResult.__init__, stock.AsyncResult.then


class AsyncResult(stock.AsyncResult):
    """A result as of Celery, lighter until somebody waits for it.

    Celery makes a promise with a weak reference to a method for each result: eight objects, of which a large group has
    as many as tasks, and the garbage collector goes through them all.
    """

    app: Any
    backend: Any
    _promise: Any = None
    _first: Any = None

    def __init__(
        self,
        id: str,  # noqa: A002 - Celery's name
        backend: Any = None,
        task_name: str | None = None,
        app: Any = None,
        parent: Any = None,
    ) -> None:
        # Celery's own steps, all but the promise.
        if id is None:
            raise ValueError(f"AsyncResult requires valid id, not {type(id)}")
        self.app = _app_or_default(app or self.app)
        self.id = id
        self.backend = backend or self.app.backend
        self.parent = parent
        self._cache = None
        self._ignored = False

    @property
    def on_ready(self) -> Any:
        """The promise that is kept once the task has ended."""
        kept = self._promise
        if kept is None:
            # One step: a thread that listens may ask for it at the same moment.
            kept = vars(self).setdefault("_promise", promise(self._on_fulfilled, weak=True))
        if self._first is not None:
            first = vars(self).pop("_first", None)
            if first is not None:
                kept.then(first)
        return kept

    @on_ready.setter
    def on_ready(self, kept: Any) -> None:
        self._promise = kept

    def then(self, callback: Any, on_error: Any = None, weak: bool = False) -> Any:
        """Have `callback` called once the task has ended."""
        self.backend.add_pending_result(self, weak=weak)
        # What Celery's promise would do with the first is remember it.
        if self._promise is None and self._first is None and type(callback) is barrier:
            self._first = callback
            return callback
        return self.on_ready.then(callback, on_error)


class Results:
    """The class of an app's results: ours where the app has Celery's."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._known: tuple[Any, Any] | None = None

    def __call__(self) -> Any:
        kind = self._app.AsyncResult
        known = self._known
        if known is None or known[0] is not kind:
            # Made by Celery for this app, not by somebody who wants more of it.
            is_celerys = kind.__bases__ == (stock.AsyncResult,) and not vars(kind).keys() & {
                "__init__",
                "then",
                "on_ready",
            }
            known = self._known = kind, self._app.subclass_with_self(AsyncResult) if is_celerys else kind
        untouched = stock.AsyncResult.__init__ is _INIT and stock.AsyncResult.then is _THEN
        return known[1] if untouched else kind
