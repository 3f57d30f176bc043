"""Celeriac in a FastAPI application: a lifespan, an injected sender, and a router of its health.

In flow a Celery app under a plan; out flow `FastAPI(lifespan=lifespan(celery_app))`, a parameter of the type
`SendsTasks`, and `health_router(celery_app)`.
"""

from __future__ import annotations

from typing import Annotated, Any

from celery import Celery

from celeriac.errors import IntegrationError
from celeriac.integrations.asgi import Answer, Checks, Sender, Sent, lifespan, sender_of

try:
    from fastapi import APIRouter, Depends
    from fastapi.requests import HTTPConnection
    from fastapi.responses import JSONResponse
except ModuleNotFoundError as error:
    raise IntegrationError(
        "WEB-032",
        f"the FastAPI integration needs a package that is not installed: {error.name}.",
        fix="pip install 'celeriac[fastapi]'",
    ) from error

__all__ = ["Sender", "SendsTasks", "Sent", "get_sender", "health_router", "lifespan"]


def get_sender(connection: HTTPConnection) -> Sender:
    """Give the application's sender; a dependency, in requests and web sockets alike.

    Raises: IntegrationError if the application has no `lifespan` of ours.
    """
    return sender_of(connection.scope)


#: the type of a parameter that FastAPI fills with the application's sender
SendsTasks = Annotated[Sender, Depends(get_sender)]


def health_router(celery: Celery, prefix: str = "/health", **options: Any) -> APIRouter:
    """Give a router that answers `/health/live`, `/health/ready` and `/health/celery`.

    options: of APIRouter, such as `tags`, `dependencies` or `include_in_schema`.
    """
    router = APIRouter(prefix=prefix, **options)
    checks = Checks(celery)

    @router.get("/live")
    async def live() -> JSONResponse:
        return _page(await checks.live())

    @router.get("/ready")
    async def ready() -> JSONResponse:
        return _page(await checks.ready())

    @router.get("/celery")
    async def celery_() -> JSONResponse:
        return _page(await checks.celery())

    return router


def _page(answer: Answer) -> JSONResponse:
    status, document = answer
    return JSONResponse(document, status, headers={"Cache-Control": "no-store"})
