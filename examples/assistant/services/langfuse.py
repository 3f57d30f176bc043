"""Langfuse's ingestion API: takes traces, and shows those it has; in memory, gone with the process."""

from __future__ import annotations

import base64
import threading
from http import HTTPStatus
from typing import Any

from services.http import Answer, Refused, Request


class Langfuse:
    """The traces of one server.

    keys: "public:secret", as HTTP Basic takes them.
    """

    def __init__(self, keys: str) -> None:
        self._credentials = f"Basic {base64.b64encode(keys.encode()).decode()}"
        self._traces: dict[str, Any] = {}
        self._lock = threading.Lock()

    def ingest(self, request: Request) -> tuple[HTTPStatus, Any]:
        """Answer POST /api/public/ingestion: an event taken twice counts once."""
        self._admit(request)
        taken, refused = [], []
        for event in request.body["batch"]:
            if event["type"] == "trace-create":
                with self._lock:
                    self._traces[event["body"]["id"]] = event["body"]
                taken.append({"id": event["id"], "status": HTTPStatus.CREATED})
            else:
                refused.append({"id": event["id"], "status": HTTPStatus.BAD_REQUEST})
        return HTTPStatus.MULTI_STATUS, {"successes": taken, "errors": refused}

    def list(self, request: Request) -> tuple[HTTPStatus, Any]:
        """Answer GET /api/public/traces."""
        self._admit(request)
        with self._lock:
            traces = list(self._traces.values())
        return HTTPStatus.OK, {"data": traces, "meta": {"totalItems": len(traces)}}

    def _admit(self, request: Request) -> None:
        if request.headers.get("authorization") != self._credentials:
            raise Refused(HTTPStatus.UNAUTHORIZED, "these are not the keys of this project")

    @property
    def routes(self) -> dict[tuple[str, str], Answer]:
        """Give what it answers."""
        return {("POST", "/api/public/ingestion"): self.ingest, ("GET", "/api/public/traces"): self.list}
