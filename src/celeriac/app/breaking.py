"""`celeriac.breaker`: a circuit breaker around any code, shared with every worker of the plan."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from datetime import timedelta
from functools import wraps
from types import TracebackType
from typing import Any, Self, TypeVar

from celery import current_app

from celeriac.errors import AppError
from celeriac.flow import Flow
from celeriac.plan import Breaker
from celeriac.tasks.runtime import Runtime

F = TypeVar("F", bound=Callable[..., Any])
_DEFAULTS = Breaker(name="")
#: of each thread and each coroutine its own, the innermost block last
_entered: ContextVar[tuple[AbstractContextManager[None], ...]] = ContextVar("celeriac breakers", default=())


class breaker:  # noqa: N801 - used as a decorator and in `with`, like contextlib's
    """A breaker by name: `with celeriac.breaker("smtp"):`, or `@celeriac.breaker("smtp")` on a function.

    failures, window, cool_down: as in the plan; what the plan says of a breaker of this name wins.
    on: the exceptions that are failures.
    Entering raises BreakerOpen while it is open. In a task that is not to be caught: the task goes back to the broker
    and waits there, spending no retry. Code before the block runs again then, so put the breaker first.
    It belongs to the current Celery app. May be used many times, in threads and coroutines, and within itself.
    """

    def __init__(
        self,
        name: str,
        *,
        failures: int = _DEFAULTS.failures,
        window: timedelta = _DEFAULTS.window,
        cool_down: timedelta = _DEFAULTS.cool_down,
        on: type[BaseException] | tuple[type[BaseException], ...] = Exception,
    ) -> None:
        self._settings = Breaker(name=name, failures=failures, window=window, cool_down=cool_down)
        self._kinds = on if isinstance(on, tuple) else (on,)

    def __enter__(self) -> Self:
        """Raises: BreakerOpen while it is open; AppError if the current app has no plan."""
        guarding = _flow().guarding(self._settings, self._kinds)
        guarding.__enter__()
        _entered.set((*_entered.get(), guarding))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        *outer, guarding = _entered.get()
        _entered.set(tuple(outer))
        return guarding.__exit__(kind, error, trace)

    def __call__(self, function: F) -> F:
        """Give the function with every call of it guarded; it may be a coroutine function."""

        async def wait_for(*args: Any, **kwargs: Any) -> Any:
            with self:
                return await function(*args, **kwargs)

        def call(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        whole: Any = wraps(function)(wait_for if inspect.iscoroutinefunction(function) else call)
        return whole


def _flow() -> Flow:
    runtime = getattr(current_app, "celeriac", None)
    if not isinstance(runtime, Runtime) or not isinstance(runtime.gate, Flow):
        raise AppError(
            "APP-033",
            "a breaker was entered, but the current Celery app has no plan",
            known=["celeriac.create_app(plan)", "celeriac.adopt(app)"],
            fix="make the app with celeriac.create_app, or adopt it, before the breaker is entered",
        )
    return runtime.gate
