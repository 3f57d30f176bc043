"""A small HTTP server that speaks JSON: a service says what it answers, by method and path."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    """What was asked.

    query: the last value of each parameter; body: the JSON sent, None without one.
    """

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


class Refused(Exception):
    """The request is answered with a status of 400 or more."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


#: answers a request with a status and what becomes JSON
Answer = Callable[[Request], tuple[HTTPStatus, Any]]


def nowhere(request: Request) -> tuple[HTTPStatus, Any]:
    """Answer what nobody else does."""
    raise Refused(HTTPStatus.NOT_FOUND, f"there is no {request.path}")


@contextmanager
def serving(url: str, routes: Mapping[tuple[str, str], Answer]) -> Iterator[None]:
    """Serve at the host and port of `url` until the block ends.

    routes: (method, path) -> what answers it.
    Raises: OSError if the address is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            asked = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                route = routes.get((self.command, asked.path), nowhere)
                query = {name: values[-1] for name, values in parse_qs(asked.query).items()}
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, content = route(Request(asked.path, query, headers, json.loads(raw) if raw else None))
            except Refused as refused:
                status, content = refused.status, {"error": {"message": str(refused)}}
            except (ValueError, KeyError, TypeError) as wrong:
                status, content = HTTPStatus.BAD_REQUEST, {"error": {"message": f"not understood: {wrong!r}"}}
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815 - the standard library's names

        def log_message(self, *_: object) -> None:
            """Say nothing: the tasks log what they do."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    place = urlsplit(url)
    server = Server((place.hostname or "127.0.0.1", place.port or 80), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
