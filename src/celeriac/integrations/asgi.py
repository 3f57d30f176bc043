"""Celeriac in any ASGI application: a sender for its lifespan, and an application that answers for its health.

In flow a Celery app under a plan; out flow `lifespan(celery_app)`, which Starlette and FastAPI take as it is, and
`health(celery_app)`, to be mounted anywhere. Nothing here blocks the event loop.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

from celeriac.app.reaching import hears_broadcasts
from celeriac.control.asked import beating
from celeriac.errors import CeleriacError, IntegrationError
from celeriac.integrations.sending import Sender, Sent

__all__ = ["Answer", "Checks", "Sender", "Sent", "health", "lifespan", "sender_of"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
#: HTTP status and JSON document
Answer = tuple[int, dict[str, Any]]
OwnLifespan = Callable[[Any], AbstractAsyncContextManager[Mapping[str, Any] | None]]
#: as Starlette types it, so that type checkers take `FastAPI(lifespan=lifespan(celery_app))`
Lifespan = Callable[[Any], AbstractAsyncContextManager[Mapping[str, Any]]]

_STATE = "celeriac"
_BROKER_WITHIN_S = 3.0
#: how long workers have to answer; remote control waits this long, since nobody knows how many there are
_WORKERS_WITHIN_S = 1.0
#: an answer of the workers is kept this long, so that no flood of requests becomes one of broadcasts
_KEPT_S = 2.0


def lifespan(celery: Celery, inner: OwnLifespan | None = None, *, threads: int = 10) -> Lifespan:
    """Give the lifespan of an application that sends tasks: a sender is open while it runs.

    inner: the application's own lifespan, if it has one; its state is kept beside the sender.
    threads: see `Sender`.
    """

    @asynccontextmanager
    async def span(app: Any) -> AsyncIterator[Mapping[str, Any]]:
        async with Sender(celery, threads) as sender:
            if inner is None:
                yield {_STATE: sender}
            else:
                async with inner(app) as state:
                    yield {**(state or {}), _STATE: sender}

    return span


def sender_of(scope: Mapping[str, Any]) -> Sender:
    """Give the sender of the application that handles a request.

    scope: the ASGI scope, like `request.scope`.
    Raises: IntegrationError if the application has no `lifespan` of ours.
    """
    sender = (scope.get("state") or {}).get(_STATE)
    if not isinstance(sender, Sender):
        raise IntegrationError(
            "WEB-031",
            "this application has no sender.",
            fix="give it lifespan=celeriac.integrations.asgi.lifespan(celery_app)",
        )
    return sender


class Checks:
    """What an application answers about its health; the same three everywhere Celeriac answers."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery
        self._asked_at = float("-inf")
        self._kept: Answer = (503, {})
        self._asking = asyncio.Lock()

    async def live(self) -> Answer:
        """Say that this process answers."""
        return 200, {"live": True}

    async def ready(self) -> Answer:
        """Say whether tasks can be sent: the broker answers, within 3 seconds."""
        try:
            async with asyncio.timeout(_BROKER_WITHIN_S):
                await asyncio.to_thread(self._reach)
        except TimeoutError:
            reason = f"it did not answer within {_BROKER_WITHIN_S:g}s"
        except self._unreachable() as error:
            reason = str(error) or type(error).__name__
        else:
            return 200, {"ready": True, "reasons": []}
        return 503, {"ready": False, "reasons": [f"the broker cannot be reached: {reason}"]}

    async def celery(self) -> Answer:
        """Give `{workers, active_tasks, healthy}` of all workers that answer, on whatever host; on SQS, of this host.

        An answer may be 2 seconds old; a new one takes 1 second.
        """
        async with self._asking:
            if time.monotonic() - self._asked_at > _KEPT_S:
                self._kept = await self._ask()
                self._asked_at = time.monotonic()
            return self._kept

    async def _ask(self) -> Answer:
        try:
            active = await asyncio.to_thread(self._active)
        except self._unreachable() as error:
            active = {}
            problem = {"error": str(error) or type(error).__name__}
        else:
            problem = {}
        running = sum(len(tasks) for tasks in active.values())
        document = {"workers": len(active), "active_tasks": running, "healthy": bool(active), **problem}
        return 200 if active else 503, document

    def _unreachable(self) -> tuple[type[BaseException], ...]:
        errors = self._celery.connection_for_write().connection_errors
        return (OperationalError, CeleriacError, OSError, *errors)

    def _reach(self) -> None:
        with self._connected():
            pass

    def _active(self) -> dict[str, Any]:
        with self._connected() as connection:
            celery: Any = self._celery
            if not hears_broadcasts(celery):
                return {it.name: range(it.busy) for it in beating(celery.celeriac.plan)}
            return (
                self._celery.control.inspect(timeout=_WORKERS_WITHIN_S, connection=connection).active() or {}
            )

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        # Not from the pool, which tries for as long as the app's settings say, and that may be for ever.
        with self._celery.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=_BROKER_WITHIN_S)
            yield connection


def health(celery: Celery) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Give an ASGI application that answers `…/live`, `…/ready` and `…/celery` under any path it is mounted at."""
    checks = Checks(celery)
    pages = {"live": checks.live, "ready": checks.ready, "celery": checks.celery}

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        page = pages.get(str(scope["path"]).rstrip("/").rpartition("/")[2])
        status, document = (404, {"known": list(pages)}) if page is None else await page()
        body = json.dumps(document).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    return application
