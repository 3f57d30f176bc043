"""The bridge: blocking code in a greenlet, whose coroutines are awaited by the asyncio task that steps it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from greenlet import getcurrent, greenlet


class Bridge(greenlet):
    """A greenlet that runs `function()`, and can drive coroutines while it does: see tasks.coroutines.DRIVER."""

    def __init__(self, function: Callable[[], Any]) -> None:
        super().__init__(function)
        self._loop = asyncio.get_running_loop()
        # What the caller has set in its context is seen, and nothing that is set in it gets out.
        self.gr_context = contextvars.copy_context()

    def celeriac_drive(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Step a coroutine to its end; each future it waits for goes to whoever steps this greenlet."""
        send: Callable[[Any], Any] = coroutine.send
        value: Any = None
        while True:
            asyncio._set_running_loop(self._loop)
            try:
                waited_for = send(value)
            except StopIteration as end:
                return end.value
            finally:
                # Between awaits it is plain code: nothing of a running loop shows, so it may block, or run its own.
                asyncio._set_running_loop(None)
            try:
                assert self.parent is not None
                value, send = self.parent.switch(waited_for), coroutine.send
            except BaseException as error:
                value, send = error, coroutine.throw


class Crossing:
    """An awaitable that steps a Bridge and waits for what its coroutines wait for.

    translate: what a CancelledError that arrives becomes inside.
    """

    def __init__(self, bridge: Bridge, translate: Callable[[asyncio.CancelledError], BaseException]) -> None:
        self._bridge = bridge
        self._translate = translate

    def __await__(self) -> Generator[Any, Any, Any]:
        bridge, loop = self._bridge, asyncio.get_running_loop()
        step: Callable[..., Any] = bridge.switch
        argument: tuple[Any, ...] = ()
        while True:
            bridge.parent = getcurrent()
            asyncio._set_running_loop(None)
            try:
                waited_for = step(*argument)
            finally:
                asyncio._set_running_loop(loop)
            if bridge.dead:
                return waited_for
            try:
                step, argument = bridge.switch, ((yield waited_for),)
            except asyncio.CancelledError as error:
                step, argument = bridge.throw, (self._translate(error),)
            except BaseException as error:
                step, argument = bridge.throw, (error,)
