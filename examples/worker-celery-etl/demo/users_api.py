"""An HTTP API on this machine, for the demo and the tests: users, and their orders."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NAMES = ("Ada", "Barbara", "Edsger", "Frances", "Grace", "Hedy", "Jean", "Karen", "Margaret", "Radia")
USERS = range(1, 31)


def user_of(number: int) -> dict[str, Any]:
    """The user of a number."""
    return {"id": number, "name": f"{NAMES[number % len(NAMES)]} {number}"}


def orders_of(number: int) -> list[dict[str, Any]]:
    """The orders of a user; always the same."""
    draw = random.Random(number)  # noqa: S311 (not for secrets)
    return [{"order": n, "amount": round(draw.uniform(5, 120), 2)} for n in range(draw.randint(1, 9))]


class Handler(BaseHTTPRequestHandler):
    """GET /users/N and /users/N/orders; 404 for everybody else."""

    server: UsersServer

    def do_GET(self) -> None:
        if self.server.together is not None:
            self.server.together.wait(timeout=30)
        match self.path.strip("/").split("/"):
            case ["users", number] if number.isdecimal() and int(number) in USERS:
                self._answer(200, user_of(int(number)))
            case ["users", number, "orders"] if number.isdecimal() and int(number) in USERS:
                self._answer(200, orders_of(int(number)))
            case _:
                self._answer(404, {"error": "no such user"})

    def _answer(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the screen is the demo's."""


class UsersServer(ThreadingHTTPServer):
    """together: answers nobody until so many have asked; None: each at once."""

    request_queue_size = 128
    together: threading.Barrier | None = None

    @property
    def url(self) -> str:
        """Where it is found."""
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def running_users_api() -> Iterator[UsersServer]:
    """Serve on a free port until the block ends."""
    with UsersServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
